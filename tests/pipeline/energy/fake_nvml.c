/* NVML as pynvml calls it: the calls that AstrID makes, over GPUs that a test sets by `fake_set`.

   With FAKE_NVML_WATTS in the environment there is one GPU that draws so much from the start of the
   machine: for whole processes, which no test can reach into. */

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { NVML_SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2 };
enum { COUNT, ENERGY, DRAW, TEMPERATURE, UTILISATION, MEMORY_USED, MEMORY_TOTAL, INIT, HANDLE, NAME, FIELDS };
enum { GPUS = 4 };

static unsigned long long values[GPUS][FIELDS];
static int errors[GPUS][FIELDS];
static int calls[FIELDS];
static int initialised;

/* For tests. Fields that belong to no GPU (COUNT, INIT) are those of GPU 0. */
void fake_set(unsigned gpu, unsigned field, unsigned long long value) { values[gpu][field] = value; }
void fake_fail(unsigned gpu, unsigned field, int error) { errors[gpu][field] = error; }
int fake_calls(unsigned field) { return calls[field]; }
void fake_reset(void) {
    memset(values, 0, sizeof values);
    memset(errors, 0, sizeof errors);
    memset(calls, 0, sizeof calls);
    initialised = 0;
}

static double draw_of_environment(void) {
    const char *watts = getenv("FAKE_NVML_WATTS");
    return watts ? atof(watts) : 0.0;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    if (errors[0][INIT]) return errors[0][INIT];
    double watts = draw_of_environment();
    if (watts > 0) {
        values[0][COUNT] = 1;
        values[0][DRAW] = (unsigned long long)(watts * 1000.0);
        values[0][TEMPERATURE] = 48;
        values[0][UTILISATION] = 37;
        values[0][MEMORY_USED] = 512ull << 20;
        values[0][MEMORY_TOTAL] = 8192ull << 20;
    }
    initialised = 1;
    return NVML_SUCCESS;
}

int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { initialised = 0; return NVML_SUCCESS; }
const char *nvmlErrorString(int error) { (void)error; return "an error of the fake"; }

int nvmlDeviceGetCount_v2(unsigned *count) {
    if (!initialised) return UNINITIALIZED;
    if (errors[0][COUNT]) return errors[0][COUNT];
    *count = (unsigned)values[0][COUNT];
    return NVML_SUCCESS;
}

/* A handle is the GPU's number plus one: never null. */
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    if (!initialised) return UNINITIALIZED;
    if (index >= values[0][COUNT]) return INVALID_ARGUMENT;
    if (errors[index][HANDLE]) return errors[index][HANDLE];
    *handle = (void *)((size_t)index + 1);
    return NVML_SUCCESS;
}

static int ask(void *handle, unsigned field, unsigned long long *value) {
    size_t gpu = (size_t)handle - 1;
    calls[field]++;
    if (!initialised) return UNINITIALIZED;
    if (gpu >= GPUS) return INVALID_ARGUMENT;
    if (errors[gpu][field]) return errors[gpu][field];
    *value = values[gpu][field];
    return NVML_SUCCESS;
}

int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    unsigned long long ignored;
    int error = ask(handle, NAME, &ignored);
    if (!error) strncpy(name, "Fake GPU", length);
    return error;
}

int nvmlDeviceGetTotalEnergyConsumption(void *handle, unsigned long long *millijoules) {
    double watts = draw_of_environment();
    if (watts > 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        *millijoules = (unsigned long long)(watts * (now.tv_sec * 1e3 + now.tv_nsec * 1e-6));
        return NVML_SUCCESS;
    }
    return ask(handle, ENERGY, millijoules);
}

int nvmlDeviceGetPowerUsage(void *handle, unsigned *milliwatts) {
    unsigned long long value = 0;
    int error = ask(handle, DRAW, &value);
    *milliwatts = (unsigned)value;
    return error;
}

/* As drivers before 570 have it: without nvmlDeviceGetTemperatureV. */
int nvmlDeviceGetTemperature(void *handle, int sensor, unsigned *degrees) {
    unsigned long long value = 0;
    int error = ask(handle, TEMPERATURE, &value);
    (void)sensor;
    *degrees = (unsigned)value;
    return error;
}

int nvmlDeviceGetUtilizationRates(void *handle, unsigned rates[2]) {
    unsigned long long value = 0;
    int error = ask(handle, UTILISATION, &value);
    rates[0] = (unsigned)value;
    rates[1] = 0;
    return error;
}

int nvmlDeviceGetMemoryInfo(void *handle, unsigned long long memory[3]) {
    unsigned long long used = 0, total = 0;
    int error = ask(handle, MEMORY_USED, &used);
    if (!error) error = ask(handle, MEMORY_TOTAL, &total);
    memory[0] = total;
    memory[1] = total - used;
    memory[2] = used;
    return error;
}
