/* A made-up NVML with the functions the probe uses, told by environment variables what to answer:
 *   MADE_NVML_COUNT          number of cards (default 0)
 *   MADE_NVML_DRIVER, MADE_NVML_CUDA (12060)
 *   MADE_NVML_ERRORS         "function=code,function#card=code": what fails, and how
 *   MADE_NVML_<i>_NAME, _TOTAL_MIB, _FREE_MIB, _RESERVED_MIB, _CC (8.9), _CLOCK_MHZ, _BUS_BITS, _POWER_MW,
 *   _TEMPERATURE, _BAR1_MIB, _DISPLAY (0/1), _ACTIVE (0/1),
 *   _COMPUTE and _GRAPHICS   "pid:mib:path;pid:mib:path" (mib "?" = not available)
 * A variable that is not set answers "not supported". -DNO_V3, -DNO_MEMORY_V2 leave symbols out, as old drivers do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUCCESS 0
#define INVALID_ARGUMENT 2
#define NOT_SUPPORTED 3
#define NOT_FOUND 6
#define INSUFFICIENT_SIZE 7
#define MIB 1048576ULL
#define NOT_AVAILABLE (~0ULL)

typedef struct { int index; } Card;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;

static Card cards[16];

static int error_of(const char *function, const Card *card) {
    const char *errors = getenv("MADE_NVML_ERRORS");
    char wanted[128];
    while (errors && *errors) {
        size_t length = strcspn(errors, "=");
        snprintf(wanted, sizeof wanted, "%s#%d", function, card ? card->index : -1);
        if ((length == strlen(function) && !strncmp(errors, function, length)) ||
            (length == strlen(wanted) && !strncmp(errors, wanted, length)))
            return atoi(errors + length + 1);
        errors = strchr(errors, ',');
        if (errors) errors++;
    }
    return SUCCESS;
}

static const char *value(const Card *card, const char *key) {
    char name[64];
    snprintf(name, sizeof name, "MADE_NVML_%d_%s", card->index, key);
    return getenv(name);
}

static int number(const char *function, Card *card, const char *key, unsigned long long *out) {
    int error = error_of(function, card);
    const char *text = value(card, key);
    if (error) return error;
    if (!text) return NOT_SUPPORTED;
    *out = strtoull(text, NULL, 10);
    return SUCCESS;
}

static int small(const char *function, Card *card, const char *key, unsigned *out) {
    unsigned long long wide = 0;
    int error = number(function, card, key, &wide);
    *out = (unsigned)wide;
    return error;
}

static int copy(const char *text, char *out, unsigned size) {
    if (!text) return NOT_SUPPORTED;
    snprintf(out, size, "%s", text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) { (void)flags; return error_of(__func__, NULL); }
int nvmlShutdown(void) { return error_of(__func__, NULL); }
const char *nvmlErrorString(int code) { (void)code; return "made error"; }

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    int error = error_of(__func__, NULL);
    return error ? error : copy(getenv("MADE_NVML_DRIVER"), out, size);
}

int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    const char *text = getenv("MADE_NVML_CUDA");
    int error = error_of(__func__, NULL);
    if (error) return error;
    if (!text) return NOT_SUPPORTED;
    *out = atoi(text);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *out) {
    const char *text = getenv("MADE_NVML_COUNT");
    int error = error_of(__func__, NULL);
    *out = text ? (unsigned)atoi(text) : 0;
    return error;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **out) {
    if (index >= 16) return INVALID_ARGUMENT;
    cards[index].index = (int)index;
    *out = &cards[index];
    return error_of(__func__, *out);
}

int nvmlDeviceGetName(Card *card, char *out, unsigned size) {
    int error = error_of(__func__, card);
    return error ? error : copy(value(card, "NAME"), out, size);
}

static int memory(const char *function, Card *card, MemoryV2 *out) {
    unsigned long long total = 0, free_mib = 0, reserved = 0;
    int error = number(function, card, "TOTAL_MIB", &total);
    if (error) return error;
    number(function, card, "FREE_MIB", &free_mib);
    number(function, card, "RESERVED_MIB", &reserved);
    out->total = total * MIB;
    out->free = free_mib * MIB;
    out->reserved = reserved * MIB;
    out->used = out->total - out->free - out->reserved;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Card *card, Memory *out) {
    MemoryV2 info = {0};
    int error = memory(__func__, card, &info);
    out->total = info.total;
    out->free = info.free;
    out->used = info.total - info.free;
    return error;
}

#ifndef NO_MEMORY_V2
int nvmlDeviceGetMemoryInfo_v2(Card *card, MemoryV2 *out) {
    if (out->version != 0x02000028) return 25;
    return memory(__func__, card, out);
}
#endif

int nvmlDeviceGetCudaComputeCapability(Card *card, int *major, int *minor) {
    const char *text = value(card, "CC");
    int error = error_of(__func__, card);
    if (error) return error;
    return text && sscanf(text, "%d.%d", major, minor) == 2 ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxClockInfo(Card *card, unsigned type, unsigned *out) {
    if (type != 2) return INVALID_ARGUMENT;
    return small(__func__, card, "CLOCK_MHZ", out);
}

int nvmlDeviceGetMemoryBusWidth(Card *card, unsigned *out) { return small(__func__, card, "BUS_BITS", out); }
int nvmlDeviceGetEnforcedPowerLimit(Card *card, unsigned *out) { return small(__func__, card, "POWER_MW", out); }
int nvmlDeviceGetPowerManagementLimit(Card *card, unsigned *out) { return small(__func__, card, "POWER_MW", out); }
int nvmlDeviceGetDisplayMode(Card *card, unsigned *out) { return small(__func__, card, "DISPLAY", out); }
int nvmlDeviceGetDisplayActive(Card *card, unsigned *out) { return small(__func__, card, "ACTIVE", out); }

int nvmlDeviceGetTemperature(Card *card, unsigned sensor, unsigned *out) {
    if (sensor != 0) return INVALID_ARGUMENT;
    return small(__func__, card, "TEMPERATURE", out);
}

int nvmlDeviceGetBAR1MemoryInfo(Card *card, Memory *out) {
    unsigned long long total = 0;
    int error = number(__func__, card, "BAR1_MIB", &total);
    out->total = out->free = total * MIB;
    out->used = 0;
    return error;
}

static int processes(const char *function, Card *card, const char *key, unsigned *count, Process *out) {
    const char *text = value(card, key);
    unsigned room = *count, found = 0;
    int error = error_of(function, card);
    if (error) return error;
    for (; text && *text; found++) {
        char mib[32] = "";
        unsigned pid = 0;
        sscanf(text, "%u:%31[^:]", &pid, mib);
        if (out && found < room) {
            memset(&out[found], 0, sizeof *out);
            out[found].pid = pid;
            out[found].used = mib[0] == '?' ? NOT_AVAILABLE : strtoull(mib, NULL, 10) * MIB;
        }
        text = strchr(text, ';');
        if (text) text++;
    }
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v2(Card *card, unsigned *count, Process *out) {
    return processes(__func__, card, "COMPUTE", count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v2(Card *card, unsigned *count, Process *out) {
    return processes(__func__, card, "GRAPHICS", count, out);
}
#ifndef NO_V3
int nvmlDeviceGetComputeRunningProcesses_v3(Card *card, unsigned *count, Process *out) {
    return processes(__func__, card, "COMPUTE", count, out);
}
int nvmlDeviceGetGraphicsRunningProcesses_v3(Card *card, unsigned *count, Process *out) {
    return processes(__func__, card, "GRAPHICS", count, out);
}
#endif

int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned size) {
    static const char *keys[] = {"COMPUTE", "GRAPHICS"};
    int error = error_of(__func__, NULL);
    if (error) return error;
    for (int index = 0; index < 16; index++)
        for (int list = 0; list < 2; list++) {
            Card card = {index};
            const char *text = value(&card, keys[list]);
            for (; text && *text; text = strchr(text, ';') ? strchr(text, ';') + 1 : NULL) {
                unsigned found = 0;
                const char *name = strchr(text, ':');
                name = name ? strchr(name + 1, ':') : NULL;
                sscanf(text, "%u", &found);
                if (found == pid && name) {
                    unsigned length = (unsigned)strcspn(name + 1, ";");
                    snprintf(out, size, "%.*s", (int)length, name + 1);
                    return SUCCESS;
                }
            }
        }
    return NOT_FOUND;
}
