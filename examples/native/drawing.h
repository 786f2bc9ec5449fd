// Writes the rows dx, dy, pen of one line, in the data's own units, to a file.
#ifndef DRAWING_H
#define DRAWING_H

#include <stdio.h>

enum { FEATURES = 3 };

// Draws the line, one path for each stroke. The pen starts down, at the origin, and lifts after a
// row whose pen is 1. A pen of 2 ends the line. y points up.
void write_svg(FILE *file, float (*rows)[FEATURES], int length);

// Writes the rows as they are.
void write_csv(FILE *file, float (*rows)[FEATURES], int length);

#endif
