// Writes one line of handwriting with an exported model.tflite, through the LiteRT C API.
//
//     handwriting MODEL.tflite [--out FILE] [--INPUT NUMBER]...
//
// FILE is a picture (SVG) or, if it ends in .csv, the rows dx, dy, pen in the data's own units.
// INPUT is any input of the file's signature `generate`: seed, steps, temperature and so on. The
// units come from metadata.json, which must lie beside the model.
#define _POSIX_C_SOURCE 200809L  // clock_gettime; C11's timespec_get is missing on older phones
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "drawing.h"
#include "litert.h"

enum { MAX_TENSORS = 16 };

typedef struct {  // an input or an output of `generate`
  const char *name;
  LiteRtRankedTensorType type;
  LiteRtTensorBuffer buffer;
} Tensor;

static struct {  // all in one place, so that every way out releases it
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtCompiledModel compiled;
  Tensor inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  size_t num_inputs, num_outputs;
  char *file, *metadata;
} lite;

static void release(void) {
  for (size_t i = 0; i < MAX_TENSORS; ++i) {
    if (lite.inputs[i].buffer) LiteRtDestroyTensorBuffer(lite.inputs[i].buffer);
    if (lite.outputs[i].buffer) LiteRtDestroyTensorBuffer(lite.outputs[i].buffer);
  }
  if (lite.compiled) LiteRtDestroyCompiledModel(lite.compiled);
  if (lite.options) LiteRtDestroyOptions(lite.options);
  if (lite.model) LiteRtDestroyModel(lite.model);
  if (lite.environment) LiteRtDestroyEnvironment(lite.environment);
  free(lite.file);
  free(lite.metadata);
}

_Noreturn static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("handwriting: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(2);
}

#define TRY(call) check(call, #call)
static void check(LiteRtStatus status, const char *call) {
  if (status != kLiteRtStatusOk)
    fail("%.*s failed with status %d", (int)strcspn(call, "("), call, (int)status);
}

static char *read_file(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  long length = file && fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
  char *content = length >= 0 && length < INT32_MAX ? malloc((size_t)length + 1) : NULL;
  if (!content) fail("cannot read %s", path);
  rewind(file);
  *size = fread(content, 1, (size_t)length, file);
  content[*size] = '\0';
  fclose(file);
  return content;
}

// Reads the mean or the std of metadata.json. `vrnn export` wrote the file, so a search is enough.
static void read_normalization(const char *path, const char *key, double numbers[FEATURES]) {
  const char *list = strstr(lite.metadata, "\"normalization\"");
  if (list) list = strstr(list, key);
  if (list) list = strchr(list, '[');
  for (int i = 0; i < FEATURES; ++i) {
    const char *number = list ? list + 1 : "";
    char *end = NULL;
    numbers[i] = strtod(number, &end);
    if (end == number) fail("%s lacks the %s of dx, dy and pen", path, key);
    list = end;
  }
}

// Opens the file, describes its signature `generate`, and returns the number of that signature.
static LiteRtParamIndex open_model(const char *path) {
  size_t size = 0;
  lite.file = read_file(path, &size);
  LiteRtEnvOption quiet = {kLiteRtEnvOptionTagMinLoggerSeverity,
                           {kLiteRtAnyTypeInt, {.int_value = kLiteRtLogSeveritySilent}}};
  TRY(LiteRtCreateEnvironment(1, &quiet, &lite.environment));
  // From memory: LiteRT verifies a model in memory, but half a file makes it crash.
  if (LiteRtCreateModelFromBuffer(lite.environment, lite.file, size, &lite.model) !=
      kLiteRtStatusOk)
    fail("%s is no TFLite file, or not a whole one", path);
  LiteRtSignature signature = NULL;
  LiteRtTensor tensor = NULL;
  LiteRtParamIndex count = 0, found = 0;
  TRY(LiteRtGetNumModelSignatures(lite.model, &count));
  for (const char *key = ""; found < count; ++found) {
    TRY(LiteRtGetModelSignature(lite.model, found, &signature));
    TRY(LiteRtGetSignatureKey(signature, &key));
    if (strcmp(key, "generate") == 0) break;
  }
  if (found == count) fail("%s has no signature `generate`", path);
  TRY(LiteRtGetNumSignatureInputs(signature, &lite.num_inputs));
  TRY(LiteRtGetNumSignatureOutputs(signature, &lite.num_outputs));
  if (lite.num_inputs > MAX_TENSORS || lite.num_outputs > MAX_TENSORS)
    fail("`generate` of %s has more than %d tensors", path, MAX_TENSORS);
  for (size_t i = 0; i < lite.num_inputs; ++i) {
    TRY(LiteRtGetSignatureInputName(signature, i, &lite.inputs[i].name));
    TRY(LiteRtGetSignatureInputTensorByIndex(signature, i, &tensor));
    TRY(LiteRtGetRankedTensorType(tensor, &lite.inputs[i].type));
  }
  for (size_t i = 0; i < lite.num_outputs; ++i) {
    TRY(LiteRtGetSignatureOutputName(signature, i, &lite.outputs[i].name));
    TRY(LiteRtGetSignatureOutputTensorByIndex(signature, i, &tensor));
    TRY(LiteRtGetRankedTensorType(tensor, &lite.outputs[i].type));
  }
  return found;
}

// Returns the text after `--name` on the command line, or NULL.
static const char *argument(char **argv, const char *name) {
  for (int i = 2; argv[i]; i += 2)
    if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0) return argv[i + 1];
  return NULL;
}

// Returns an input's four bytes. Without an argument the file decides: it takes NaN as an option's
// default, and clips `steps` to the longest line that it can write.
static uint32_t input_value(const Tensor *input, const char *text) {
  int is_seed = strcmp(input->name, "seed") == 0;
  long long whole = is_seed ? 0 : INT32_MAX;
  float number = NAN;
  char *end = "";
  errno = 0;
  if (text && input->type.element_type == kLiteRtElementTypeInt32)
    whole = strtoll(text, &end, 10);
  else if (text)
    number = strtof(text, &end);
  if (text && (*end || end == text || errno))
    fail("--%s must be a number. Received '%s'", input->name, text);
  if (!is_seed && (whole < 0 || whole > INT32_MAX))
    fail("--%s must be from 0 to %d. Received %s", input->name, INT32_MAX, text);
  uint32_t bits = (uint32_t)whole;  // a seed counts modulo 2^32, as in Python
  if (input->type.element_type == kLiteRtElementTypeFloat32) memcpy(&bits, &number, sizeof bits);
  return bits;
}

// Reads the inputs from the command line. It may hold these and --out, nothing else.
static void read_inputs(char **argv, uint32_t *values) {
  char known[512] = "--out";
  int unknown = argument(argv, "out") ? -1 : 0;
  for (size_t i = 0; i < lite.num_inputs; ++i) {
    const char *text = argument(argv, lite.inputs[i].name);
    values[i] = input_value(&lite.inputs[i], text);
    unknown -= text ? 1 : 0;
    size_t used = strlen(known);
    snprintf(known + used, sizeof known - used, " --%s", lite.inputs[i].name);
  }
  for (int i = 2; argv[i]; i += 2) ++unknown;
  if (unknown) fail("the arguments are, each at most once: %s", known);
}

// Compiles the file, fills the inputs and runs `generate`. Returns its time in milliseconds.
static double run(LiteRtParamIndex generate, const uint32_t *values) {
  LiteRtTensorBufferRequirements needs = NULL;
  LiteRtTensorBuffer inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  TRY(LiteRtCreateOptions(&lite.options));
  TRY(LiteRtSetOptionsHardwareAccelerators(lite.options, kLiteRtHwAcceleratorCpu));
  TRY(LiteRtCreateCompiledModel(lite.environment, lite.model, lite.options, &lite.compiled));
  for (size_t i = 0; i < lite.num_inputs; ++i) {
    Tensor *input = &lite.inputs[i];
    void *memory = NULL;
    TRY(LiteRtGetCompiledModelInputBufferRequirements(lite.compiled, generate, i, &needs));
    TRY(LiteRtCreateManagedTensorBufferFromRequirements(lite.environment, &input->type, needs,
                                                        &input->buffer));
    TRY(LiteRtLockTensorBuffer(input->buffer, &memory, kLiteRtTensorBufferLockModeWrite));
    memcpy(memory, &values[i], sizeof values[i]);
    TRY(LiteRtUnlockTensorBuffer(input->buffer));
    inputs[i] = input->buffer;
  }
  for (size_t i = 0; i < lite.num_outputs; ++i) {
    Tensor *output = &lite.outputs[i];
    TRY(LiteRtGetCompiledModelOutputBufferRequirements(lite.compiled, generate, i, &needs));
    TRY(LiteRtCreateManagedTensorBufferFromRequirements(lite.environment, &output->type, needs,
                                                        &output->buffer));
    outputs[i] = output->buffer;
  }
  struct timespec start, stop;
  clock_gettime(CLOCK_MONOTONIC, &start);
  TRY(LiteRtRunCompiledModel(lite.compiled, generate, lite.num_inputs, inputs, lite.num_outputs,
                             outputs));
  clock_gettime(CLOCK_MONOTONIC, &stop);
  return 1e3 * difftime(stop.tv_sec, start.tv_sec) + 1e-6 * (double)(stop.tv_nsec - start.tv_nsec);
}

static Tensor *output(const char *name) {
  for (size_t i = 0; i < lite.num_outputs; ++i)
    if (strcmp(lite.outputs[i].name, name) == 0) return &lite.outputs[i];
  fail("`generate` has no output %s", name);
}

int main(int argc, char **argv) {
  if (argc < 2 || argc % 2 || argv[1][0] == '-')
    fail("usage: handwriting MODEL.tflite [--out FILE] [--seed N] [--steps N] [--OPTION NUMBER]");
  const char *slash = strrchr(argv[1], '/'), *out = argument(argv, "out");
  if (!out) out = "handwriting.svg";
  char path[4096];
  int folder = slash ? (int)(slash + 1 - argv[1]) : 0;
  snprintf(path, sizeof path, "%.*smetadata.json", folder, argv[1]);

  atexit(release);
  uint32_t values[MAX_TENSORS];
  LiteRtParamIndex generate = open_model(argv[1]);
  read_inputs(argv, values);
  Tensor *x = output("x"), *length = output("length");
  if (x->type.layout.rank != 3 || x->type.layout.dimensions[2] != FEATURES)
    fail("%s writes no pen strokes: x must be [1, T, 3]", argv[1]);
  size_t size = 0;
  double mean[FEATURES], std[FEATURES];
  lite.metadata = read_file(path, &size);
  read_normalization(path, "\"mean\"", mean);
  read_normalization(path, "\"std\"", std);
  FILE *file = fopen(out, "w");
  if (!file) fail("cannot write %s: %s", out, strerror(errno));
  double milliseconds = run(generate, values);

  void *rows_memory = NULL, *length_memory = NULL;
  TRY(LiteRtLockTensorBuffer(x->buffer, &rows_memory, kLiteRtTensorBufferLockModeReadWrite));
  TRY(LiteRtLockTensorBuffer(length->buffer, &length_memory, kLiteRtTensorBufferLockModeRead));
  float(*rows)[FEATURES] = rows_memory;
  int steps = *(int32_t *)length_memory;
  for (int t = 0; t < steps; ++t)
    for (int i = 0; i < FEATURES; ++i) rows[t][i] = (float)(rows[t][i] * std[i] + mean[i]);
  const char *suffix = strrchr(out, '.');
  (suffix && strcmp(suffix, ".csv") == 0 ? write_csv : write_svg)(file, rows, steps);
  int failed = ferror(file);
  if (fclose(file) != 0 || failed) fail("cannot write %s", out);
  TRY(LiteRtUnlockTensorBuffer(length->buffer));
  TRY(LiteRtUnlockTensorBuffer(x->buffer));
  printf("%s: %d steps in %.1f ms\n", out, steps, milliseconds);
  return 0;
}
