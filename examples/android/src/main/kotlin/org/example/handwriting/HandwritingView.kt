package org.example.handwriting

import android.animation.ValueAnimator
import android.content.Context
import android.graphics.Canvas
import android.graphics.Color
import android.graphics.Paint
import android.graphics.Path
import android.graphics.RectF
import android.util.AttributeSet
import android.view.View
import android.view.animation.LinearInterpolator

/** Writes a line as a pen does, one point after the other. */
class HandwritingView(context: Context, attributes: AttributeSet? = null) :
    View(context, attributes) {

    private val paint = Paint(Paint.ANTI_ALIAS_FLAG).apply {
        color = Color.BLACK
        style = Paint.Style.STROKE
        strokeCap = Paint.Cap.ROUND
        strokeJoin = Paint.Join.ROUND
    }
    private val path = Path() // the strokes written so far, in the units of the rows
    private val box = RectF() // of the whole line
    private var rows = FloatArray(0)
    private var written = 0 // rows of `path`
    private var penX = 0f
    private var penY = 0f
    private var animator: ValueAnimator? = null

    /** Writes rows (dx, dy, pen), y up, as [Handwriting.generate] returns them. */
    fun write(rows: FloatArray) {
        animator?.cancel()
        this.rows = rows
        measure()
        path.rewind()
        written = 0
        penX = 0f
        penY = 0f
        touchDown()
        animator = ValueAnimator.ofInt(0, rows.size / ROW).apply {
            interpolator = LinearInterpolator()
            duration = MILLISECONDS_A_ROW * (rows.size / ROW)
            addUpdateListener { writeUpTo(it.animatedValue as Int) }
            start()
        }
    }

    private fun measure() {
        box.setEmpty() // the line begins at the origin
        var x = 0f
        var y = 0f
        for (row in 0 until rows.size / ROW) {
            x += rows[ROW * row]
            y -= rows[ROW * row + 1] // the screen's y points down
            box.union(x, y)
        }
        paint.strokeWidth = PEN * box.height()
    }

    private fun writeUpTo(count: Int) {
        while (written < count) {
            penX += rows[ROW * written]
            penY -= rows[ROW * written + 1]
            // The pen lifts after a row whose pen is 1; 2 ends the line, and is on its last row.
            val before = written++ - 1
            val isUp = before >= 0 && rows[ROW * before + 2] >= PEN_UP
            if (isUp) touchDown() else path.lineTo(penX, penY)
        }
        invalidate()
    }

    private fun touchDown() {
        path.moveTo(penX, penY)
        path.rLineTo(paint.strokeWidth / 100, 0f) // a dot needs a length to be drawn
    }

    override fun onDraw(canvas: Canvas) {
        if (rows.isEmpty()) return
        val margin = MARGIN * width
        val scale = minOf(
            (width - 2 * margin) / maxOf(box.width(), 1f),
            (height - 2 * margin) / maxOf(box.height(), 1f),
        )
        canvas.translate(width / 2f, height / 2f)
        canvas.scale(scale, scale)
        canvas.translate(-box.centerX(), -box.centerY())
        canvas.drawPath(path, paint)
    }

    override fun onDetachedFromWindow() {
        animator?.cancel()
        super.onDetachedFromWindow()
    }

    private companion object {
        const val ROW = 3
        const val PEN_UP = 0.5f
        const val PEN = 0.03f // breadth, of the height of the line
        const val MARGIN = 0.05f // of the width of the view
        const val MILLISECONDS_A_ROW = 12L
    }
}
