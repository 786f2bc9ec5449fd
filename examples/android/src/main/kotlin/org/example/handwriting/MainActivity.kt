package org.example.handwriting

import android.app.Activity
import android.os.Bundle
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.launch

/** A page that writes a line; each tap writes the next one. */
class MainActivity : Activity() {
    private val scope = MainScope()
    private var handwriting: Handwriting? = null
    private var seed = 7

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        val view = HandwritingView(this)
        setContentView(view)
        scope.launch {
            val loaded = Handwriting.load(applicationContext).also { handwriting = it }
            val write = { scope.launch { view.write(loaded.generate(seed++, values = NEAT)) } }
            view.setOnClickListener { write() }
            write()
        }
    }

    override fun onDestroy() {
        scope.cancel()
        handwriting?.close()
        super.onDestroy()
    }

    private companion object {
        val NEAT = mapOf(Names.Option.TEMPERATURE to 0.5f)
    }
}
