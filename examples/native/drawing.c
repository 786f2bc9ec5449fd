#include "drawing.h"

#include <math.h>
#include <stdbool.h>

void write_svg(FILE *file, float (*rows)[FEATURES], int length) {
  double x = 0, y = 0, left = 0, right = 0, low = 0, high = 0;
  for (int t = 0; t < length; ++t) {
    left = fmin(left, x += rows[t][0]), right = fmax(right, x);
    low = fmin(low, y += rows[t][1]), high = fmax(high, y);
  }
  if (!length) right = high = 1;  // an empty drawing has a size too
  double size = high > low ? high - low : right > left ? right - left : 1, gap = size / 4;
  double width = right - left + 2 * gap, height = high - low + 2 * gap;
  fprintf(file, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"900\" height=\"%.0f\" ",
          900 * height / width);
  fprintf(file, "viewBox=\"0 0 %.6g %.6g\">\n", width, height);
  fprintf(file, "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n");
  fprintf(file, "<g fill=\"none\" stroke=\"black\" stroke-width=\"%.6g\" ", 0.03 * size);
  fprintf(file, "stroke-linecap=\"round\" stroke-linejoin=\"round\">\n");
  bool down = false;
  x = gap - left, y = gap + high;
  for (int t = -1; length && t < length; ++t) {  // row -1 is the origin
    if (t >= 0) x += rows[t][0], y -= rows[t][1];
    if (!down) fprintf(file, "<path d=\"M%.6g %.6gL", x, y);
    fprintf(file, " %.6g %.6g", x, y);  // the first point again, so that a dot becomes a line
    down = t + 1 < length && (t < 0 || rows[t][2] < 0.5);
    if (!down) fprintf(file, "\"/>\n");
  }
  fprintf(file, "</g>\n</svg>\n");
}

void write_csv(FILE *file, float (*rows)[FEATURES], int length) {
  fprintf(file, "dx,dy,pen\n");
  for (int t = 0; t < length; ++t)
    fprintf(file, "%.9g,%.9g,%.9g\n", rows[t][0], rows[t][1], rows[t][2]);
}
