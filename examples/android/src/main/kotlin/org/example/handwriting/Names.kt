package org.example.handwriting

/** Every name that comes from the exported files; nothing else in this app repeats one. */
object Names {
    object File {
        const val MODEL = "model.tflite"
        const val METADATA = "metadata.json"
    }

    object Signature {
        const val GENERATE = "generate"
    }

    /** Inputs of `generate`, int32 [1]. */
    object IntInput {
        const val SEED = "seed"
        const val STEPS = "steps"
    }

    /** The other inputs are the options of the metadata, float32 [1]. The page sets this one. */
    object Option {
        const val TEMPERATURE = "temperature"
    }

    /** float32 [1, max_steps, event_size]. */
    object FloatOutput {
        const val X = "x"
    }

    /** int32 [1]. */
    object IntOutput {
        const val LENGTH = "length"
    }

    object Key {
        const val MAX_STEPS = "max_steps"
        const val EVENT_SIZE = "event_size"
        const val OPTIONS = "options"
        const val NORMALIZATION = "normalization"
    }

    /** Keys of each entry of `options`. */
    object OptionKey {
        const val DEFAULT = "default"
    }

    /** Keys of `normalization`. */
    object NormalizationKey {
        const val MEAN = "mean"
        const val STD = "std"
    }
}
