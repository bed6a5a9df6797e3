/* A made-up NVML with the functions that the probe uses. What it answers stands in the file named by MADE_NVML, lines
 * of "key=value" that tests/fakes/nvml/__init__.py writes from a JSON description:
 *   count, driver, cuda            of the whole
 *   error.<function>[#<card>]      an error of NVML's instead of an answer
 *   <card>.<What>[.<part>]         what nvmlDeviceGet<What> answers; not there: "not supported"
 *   name.<pid>                     a process's command
 * A card is "0", "1" …; its MIG devices are "0m0", "0m1" …
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
#define MOST_CARDS 64
#define MOST_MIG 8

typedef struct { char id[8]; } Card;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } MemoryV2;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned gpu, memory; } Utilisation;
typedef struct { unsigned version, sensor; int degrees; } Temperature;

static char told[1 << 18];
static Card cards[MOST_CARDS], mig[MOST_CARDS][MOST_MIG];

static void load(void) {
    FILE *file = getenv("MADE_NVML") ? fopen(getenv("MADE_NVML"), "rb") : NULL;
    if (!file) return;
    size_t length = fread(told + 1, 1, sizeof told - 2, file);
    told[0] = '\n';
    told[length + 1] = 0;
    fclose(file);
}

/* The value of a key, up to the end of its line, in a buffer that the next call overwrites; NULL: not told. */
static const char *find(const char *key) {
    static char out[4096];
    char wanted[160];
    if (!told[0]) load();
    snprintf(wanted, sizeof wanted, "\n%s=", key);
    const char *found = strstr(told, wanted);
    if (!found) return NULL;
    found += strlen(wanted);
    snprintf(out, sizeof out, "%.*s", (int)strcspn(found, "\n"), found);
    return out;
}

static int error_of(const char *function, const Card *card) {
    char key[128];
    snprintf(key, sizeof key, "error.%s#%s", function, card ? card->id : "");
    const char *code = find(key);
    snprintf(key, sizeof key, "error.%s", function);
    if (!code) code = find(key);
    return code ? atoi(code) : SUCCESS;
}

static const char *value(const Card *card, const char *key) {
    char name[128];
    snprintf(name, sizeof name, "%s.%s", card->id, key);
    return find(name);
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
    if (!error) *out = (unsigned)wide;
    return error;
}

static int copy(const char *text, char *out, unsigned size) {
    if (!text) return NOT_SUPPORTED;
    snprintf(out, size, "%s", text);
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    told[0] = 0; /* MADE_NVML may name another file by now */
    return error_of(__func__, NULL);
}
int nvmlShutdown(void) { return error_of(__func__, NULL); }
const char *nvmlErrorString(int code) { (void)code; return "made error"; }

int nvmlSystemGetDriverVersion(char *out, unsigned size) {
    int error = error_of(__func__, NULL);
    return error ? error : copy(find("driver"), out, size);
}

int nvmlSystemGetCudaDriverVersion_v2(int *out) {
    int error = error_of(__func__, NULL);
    const char *text = find("cuda");
    if (error) return error;
    if (!text) return NOT_SUPPORTED;
    *out = atoi(text);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *out) {
    int error = error_of(__func__, NULL);
    const char *text = find("count");
    *out = text ? (unsigned)atoi(text) : 0;
    return error;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, Card **out) {
    if (index >= MOST_CARDS) return INVALID_ARGUMENT;
    snprintf(cards[index].id, sizeof cards[index].id, "%u", index);
    *out = &cards[index];
    return error_of(__func__, *out);
}

int nvmlDeviceGetName(Card *card, char *out, unsigned size) {
    int error = error_of(__func__, card);
    return error ? error : copy(value(card, "Name"), out, size);
}

static int memory(const char *function, Card *card, MemoryV2 *out) {
    unsigned long long total = 0, free_mib = 0, reserved = 0;
    int error = number(function, card, "MemoryInfo.total_mib", &total);
    if (error) return error;
    number(function, card, "MemoryInfo.free_mib", &free_mib);
    number(function, card, "MemoryInfo.reserved_mib", &reserved);
    out->total = total * MIB;
    out->free = free_mib * MIB;
    out->reserved = reserved * MIB;
    out->used = out->total - out->free - out->reserved;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Card *card, Memory *out) {
    MemoryV2 info = {0};
    int error = memory(__func__, card, &info);
    if (error) return error;
    out->total = info.total;
    out->free = info.free;
    out->used = info.total - info.free;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo_v2(Card *card, MemoryV2 *out) {
    if (out->version != 0x02000028) return 25;
    return memory(__func__, card, out);
}

int nvmlDeviceGetCudaComputeCapability(Card *card, int *major, int *minor) {
    const char *text = value(card, "CudaComputeCapability");
    int told_both = text && sscanf(text, "%d.%d", major, minor) == 2;
    int error = error_of(__func__, card);
    return error ? error : told_both ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxClockInfo(Card *card, unsigned type, unsigned *out) {
    static const char *parts[] = {"MaxClockInfo.graphics", "MaxClockInfo.sm", "MaxClockInfo.memory"};
    return type > 2 ? INVALID_ARGUMENT : small(__func__, card, parts[type], out);
}

#define SMALL(what) int nvmlDeviceGet##what(Card *card, unsigned *out) { return small(__func__, card, #what, out); }
#define WIDE(what) \
    int nvmlDeviceGet##what(Card *card, unsigned long long *out) { return number(__func__, card, #what, out); }
SMALL(MemoryBusWidth)
SMALL(EnforcedPowerLimit)
SMALL(PowerManagementLimit)
SMALL(PowerUsage)
SMALL(DisplayMode)
SMALL(DisplayActive)
SMALL(CurrPcieLinkGeneration)
SMALL(MaxPcieLinkGeneration)
SMALL(CurrPcieLinkWidth)
SMALL(MaxPcieLinkWidth)
SMALL(NumGpuCores)
SMALL(MaxMigDeviceCount)
WIDE(CurrentClocksEventReasons)
int nvmlDeviceGetCurrentClocksThrottleReasons(Card *card, unsigned long long *out) {
    return number(__func__, card, "CurrentClocksEventReasons", out);
}

int nvmlDeviceGetTemperature(Card *card, unsigned sensor, unsigned *out) {
    return sensor ? INVALID_ARGUMENT : small(__func__, card, "Temperature", out);
}

int nvmlDeviceGetTemperatureV(Card *card, Temperature *out) {
    if (out->version != 0x100000C) return 25;
    return small(__func__, card, "Temperature", (unsigned *)&out->degrees);
}

int nvmlDeviceGetUtilizationRates(Card *card, Utilisation *out) {
    return small(__func__, card, "UtilizationRates", &out->gpu);
}

int nvmlDeviceGetBAR1MemoryInfo(Card *card, Memory *out) {
    unsigned long long total = 0;
    int error = number(__func__, card, "BAR1MemoryInfo", &total);
    if (error) return error;
    out->total = out->free = total * MIB;
    out->used = 0;
    return SUCCESS;
}

int nvmlDeviceGetMigMode(Card *card, unsigned *current, unsigned *pending) {
    int error = small(__func__, card, "MigMode", current);
    *pending = *current;
    return error;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Card *card, unsigned index, Card **out) {
    int error = error_of(__func__, card);
    long number_of = card - cards;
    if (error) return error;
    if (number_of < 0 || number_of >= MOST_CARDS || index >= MOST_MIG) return INVALID_ARGUMENT;
    Card *device = &mig[number_of][index];
    snprintf(device->id, sizeof device->id, "%ldm%u", number_of, index);
    if (!value(device, "Name")) return NOT_FOUND;
    *out = device;
    return SUCCESS;
}

static int processes(const char *function, Card *card, const char *key, unsigned *count, Process *out) {
    int error = error_of(function, card);
    const char *text = value(card, key);
    unsigned room = *count, found = 0;
    if (error) return error;
    for (; text && *text; found++) {
        char mib[32] = "";
        unsigned pid = 0;
        sscanf(text, "%u:%31[^;]", &pid, mib);
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

#define PROCESSES(kind, suffix) \
    int nvmlDeviceGet##kind##RunningProcesses##suffix(Card *card, unsigned *count, Process *out) { \
        return processes(__func__, card, #kind "RunningProcesses", count, out); \
    }
PROCESSES(Compute, _v2)
PROCESSES(Compute, _v3)
PROCESSES(Graphics, _v2)
PROCESSES(Graphics, _v3)

int nvmlSystemGetProcessName(unsigned pid, char *out, unsigned size) {
    char key[32];
    int error = error_of(__func__, NULL);
    snprintf(key, sizeof key, "name.%u", pid);
    const char *text = find(key);
    if (error) return error;
    return text ? copy(text, out, size) : NOT_FOUND;
}
