package org.example.handwriting

import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.TensorBuffer
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.withContext
import org.json.JSONArray
import org.json.JSONObject

/** An exported model and its metadata, read from the app's assets. */
class Handwriting private constructor(private val model: CompiledModel, metadata: JSONObject) :
    AutoCloseable {

    /** The longest line, in steps. */
    val maxSteps: Int = metadata.getInt(Names.Key.MAX_STEPS)

    /** The sampling options that the file knows, with their defaults. */
    val defaults: Map<String, Float> = metadata.getJSONObject(Names.Key.OPTIONS).let { options ->
        options.keys().asSequence().associateWith {
            options.getJSONObject(it).getDouble(Names.OptionKey.DEFAULT).toFloat()
        }
    }

    private val eventSize = metadata.getInt(Names.Key.EVENT_SIZE)
    private val normalization = metadata.getJSONObject(Names.Key.NORMALIZATION)
    private val mean = floats(normalization.getJSONArray(Names.NormalizationKey.MEAN))
    private val std = floats(normalization.getJSONArray(Names.NormalizationKey.STD))

    private val seed = input(Names.IntInput.SEED)
    private val steps = input(Names.IntInput.STEPS)
    private val options = defaults.keys.associateWith { input(it) }
    private val x = model.createOutputBuffer(Names.FloatOutput.X, Names.Signature.GENERATE)
    private val length = model.createOutputBuffer(Names.IntOutput.LENGTH, Names.Signature.GENERATE)
    private val inputs =
        mapOf(Names.IntInput.SEED to seed, Names.IntInput.STEPS to steps) + options
    private val outputs = mapOf(Names.FloatOutput.X to x, Names.IntOutput.LENGTH to length)

    /**
     * Writes the line that Python writes for the same arguments.
     *
     * @param seed decides which line is written.
     * @param steps the largest number of steps; the file clips it to 0 .. [maxSteps].
     * @param values of the options that differ from their defaults; the file clips them too.
     * @return rows (dx, dy, pen) in the data's own units, y up: as many as the line has steps.
     */
    suspend fun generate(
        seed: Int,
        steps: Int = maxSteps,
        values: Map<String, Float> = emptyMap(),
    ): FloatArray = withContext(Dispatchers.Default) {
        require(values.keys.all { it in defaults }) { "$values: the options are ${defaults.keys}" }
        run(seed, steps, values)
    }

    // The buffers are shared, so one line is written at a time. `close` waits for the line.
    @Synchronized
    private fun run(seed: Int, steps: Int, values: Map<String, Float>): FloatArray {
        this.seed.writeInt(intArrayOf(seed))
        this.steps.writeInt(intArrayOf(steps))
        for ((name, default) in defaults) {
            options.getValue(name).writeFloat(floatArrayOf(values[name] ?: default))
        }
        model.run(inputs, outputs, Names.Signature.GENERATE)
        val rows = x.readFloat()
        return FloatArray(length.readInt()[0] * eventSize) {
            rows[it] * std[it % eventSize] + mean[it % eventSize]
        }
    }

    @Synchronized
    override fun close() {
        (inputs.values + outputs.values).forEach(TensorBuffer::close)
        model.close()
    }

    private fun input(name: String) = model.createInputBuffer(name, Names.Signature.GENERATE)

    companion object {
        /** Reads and compiles the model. */
        suspend fun load(context: Context): Handwriting = withContext(Dispatchers.IO) {
            val reader = context.assets.open(Names.File.METADATA).bufferedReader()
            val metadata = JSONObject(reader.use { it.readText() })
            val cpu = CompiledModel.Options(Accelerator.CPU) // as in the checks of the export
            Handwriting(CompiledModel.create(context.assets, Names.File.MODEL, cpu), metadata)
        }

        private fun floats(array: JSONArray) =
            FloatArray(array.length()) { array.getDouble(it).toFloat() }
    }
}
