/* test_report.c -- the page about a network: safe, whole, readable without
 * anything else.
 *
 * Claims: names of layers reach the page as text and nothing else; the page
 * loads nothing and has no script; no number is NaN or infinite; every figure
 * has marks inside its picture; a page with nothing known is a page, too; what
 * is stored comes back as it was; and headless Chromium, where it is installed,
 * has nothing to complain about and no part of the page is wider than a
 * telephone.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "results/page.h"
#include "src/report/report.h"
#include "tests/check.h"

#include <stdbool.h>
#include <unistd.h>

enum { LAYERS = 5, CANDIDATES = 3, METRICS = 3, SAMPLES = 8, POINTS = 6 };
enum { VALUES = LAYERS * CANDIDATES * METRICS, TEXT = 1 << 20 };

static const char        nasty[] = "</text><script>alert('x')</script>&\"\x01";
static const char *const candidate[] = {"w8", "w4:gptq", "w2"};
static const int         bits[] = {8, 4, 2};

static hawq_layer_record       layer[LAYERS];
static hawq_sensitivity_record value[VALUES];
static hawq_estimate           trace[LAYERS];
static hawq_sample_record      reading[SAMPLES * LAYERS];
static hawq_eigenvalue_record  eigenvalue[3];
static hawq_density_record     density[6];
static hawq_walk_record        walk[POINTS];
static hawq_histogram_record   histogram[LAYERS];
static hawq_choice             choice[LAYERS];
static hawq_front_point        front[POINTS];
static hawq_benchmark_record   benchmark[2];
static hawq_layer_timing       timing[LAYERS];
static char                    folder[] = "/tmp/hawq-report-XXXXXX";
static char                    html[TEXT];

static void fill_analysis(hawq_page *p) {
    static const char *const metric[] = {"measured", "sqnr", "depth"};
    int                      n = 0;
    for (int l = 0; l < LAYERS; l++) {
        layer[l] =
            (hawq_layer_record){l == 1 ? nasty : "layer with a long name",
                                "Conv",
                                1000 * (l + 1),
                                50000,
                                8,
                                "g"};
        trace[l] = (hawq_estimate){l, 0.1, l - 0.2, l + 0.2, SAMPLES};
        for (int i = 0; i < SAMPLES; i++)
            reading[i * LAYERS + l] =
                (hawq_sample_record){i, l, "trace", 1 + l + i % 3, 1};
        for (int m = 0; m < METRICS; m++)
            for (int c = 0; c < CANDIDATES; c++)
                value[n++] = (hawq_sensitivity_record){
                    .layer = l,
                    .metric = metric[m],
                    .bits = bits[c],
                    .candidate = candidate[c],
                    .value = (l == 2 && c == 0 ? -1 : 1) * 0.01 * (l + 1) *
                             (c + 1) * (m + 1),
                    .stderr1 = 0.005};
        histogram[l] = (hawq_histogram_record){.layer = l,
                                               .candidate = "w4:gptq",
                                               .low = -8,
                                               .width = 0.25,
                                               .n_bins = HAWQ_PAGE_BINS,
                                               .n_levels = 15};
        for (int i = 0; i < HAWQ_PAGE_BINS; i++)
            histogram[l].count[i] = i * (HAWQ_PAGE_BINS - i);
        for (int i = 0; i < 15; i++) histogram[l].level[i] = i - 7;
    }
    p->analysis = 3;
    p->run = (hawq_run_record){.model_path = nasty,
                               .command = nasty,
                               .data = nasty,
                               .loss = "cross-entropy",
                               .host = nasty};
    p->study = (hawq_study_record){128, 0.25, 0.93, 0.01, 0};
    p->n_layers = p->n_traces = p->n_histograms = LAYERS;
    p->layer = layer;
    p->trace = trace;
    p->histogram = histogram;
    p->n_values = VALUES;
    p->value = value;
    p->n_readings = SAMPLES * LAYERS;
    p->reading = reading;
}

static void fill_spectrum(hawq_page *p) {
    for (int i = 0; i < 3; i++)
        eigenvalue[i] = (hawq_eigenvalue_record){"", 30 - 9 * i, 0.1};
    for (int i = 0; i < 6; i++)
        density[i] = (hawq_density_record){"", i / 3, 10 - 4 * i, 1 / 3.0};
    for (int i = 0; i < POINTS; i++)
        walk[i] = (hawq_walk_record){i < 3 ? nasty : "random direction",
                                     i % 3 - 1, 0.25 + i % 2};
    p->n_eigenvalues = 3;
    p->eigenvalue = eigenvalue;
    p->n_densities = 6;
    p->density = density;
    p->n_walks = POINTS;
    p->walk = walk;
}

static void fill_search(hawq_page *p) {
    for (int l = 0; l < LAYERS; l++) {
        choice[l] =
            (hawq_choice){layer[l].name, bits[l % 3], 8, candidate[l % 3]};
        timing[l] = (hawq_layer_timing){layer[l].name,  bits[l % 3],   8,
                                        "gemm_s8s4s32", 3.5 * (l + 1), "w4"};
    }
    for (int i = 0; i < POINTS; i++)
        front[i] =
            (hawq_front_point){4000 + 2000 * i, 0.5 / (i + 1), 4, NULL, NULL};
    for (int i = 0; i < 2; i++)
        benchmark[i] = (hawq_benchmark_record){.allocation = i ? 7 : 0,
                                               .label = i ? nasty : "uniform8",
                                               .batch_size = 1,
                                               .samples = 100,
                                               .accuracy = 0.9 + 0.01 * i,
                                               .float_accuracy = 0.94,
                                               .agreement = 0.97,
                                               .weight_bytes = 16000 - 8000 * i,
                                               .latency_us = 120,
                                               .speedup_vs_float = 1.8};
    p->allocation = 7;
    p->chosen = (hawq_allocation_record){.metric = "measured",
                                         .state = "optimal",
                                         .objective = 0.2,
                                         .weight_bytes = 8000,
                                         .n_layers = LAYERS,
                                         .choice = choice};
    p->front_metric = "measured";
    p->n_front = POINTS;
    p->front = front;
    p->n_benchmarks = 2;
    p->benchmark = benchmark;
    p->n_timings = LAYERS;
    p->timing = timing;
    p->timed = nasty;
}

static int count(const char *text) {
    int n = 0;
    for (const char *p = html; (p = strstr(p, text)); p++) n++;
    return n;
}

static bool write_page(const hawq_page *p, const char *name) {
    hawq_arena arena = {0};
    bool       fine = CHECK_OK(hawq_report_write(name, p, &arena));
    FILE      *f = fopen(name, "rb");
    size_t     n = f ? fread(html, 1, TEXT - 1, f) : 0;
    html[n] = '\0';
    if (f) fclose(f);
    hawq_arena_free(&arena);
    return fine && n > 0;
}

/* Of every figure: at least one circle, bar or line of data; every x and y
 * within the picture. */
static void check_figures(int least) {
    int n = 0;
    for (const char *p = html; (p = strstr(p, "<svg")); n++) {
        const char *end = strstr(p, "</svg>");
        int         marks = 0;
        double      width = 0, height = 0;
        if (!CHECK(end)) return;
        CHECK(sscanf(p, "<svg viewBox=\"0 0 %lf %lf", &width, &height) == 2);
        for (const char *q = p; q < end; q++) {
            double at;
            if (!strncmp(q, "var(--", 6) && q[7] == ')') marks++;
            if (sscanf(q, " x=\"%lf", &at) == 1) CHECK(at >= 0 && at <= width);
            if (sscanf(q, " cx=\"%lf", &at) == 1) CHECK(at >= 0 && at <= width);
            if (sscanf(q, " y=\"%lf", &at) == 1) CHECK(at >= 0 && at <= height);
            if (sscanf(q, " cy=\"%lf", &at) == 1)
                CHECK(at >= 0 && at <= height);
        }
        CHECK(marks > 0);
        p = end;
    }
    CHECK(n >= least);
}

static void check_page(int least) {
    CHECK(count("<script") == 0 && count("&lt;script") == 0 + count("&lt;scr"));
    CHECK(count("http") == 0 && count("src=") == 0 && count("@import") == 0);
    CHECK(count(">nan") == 0 && count("\"nan") == 0 && count("inf\"") == 0);
    CHECK(count("-nan") == 0 && count(">inf") == 0);
    CHECK(count("\x01") == 0);
    CHECK(count("<svg") == count("</svg>") &&
          count("<figure>") == count("<svg") &&
          count("<tr>") == count("</tr>") && count("<div") == count("</div>"));
    check_figures(least);
}

static void a_full_page_is_safe_and_whole(hawq_page *p) {
    p->model = nasty;
    fill_analysis(p);
    fill_spectrum(p);
    fill_search(p);
    if (!write_page(p, "full.html")) return;
    check_page(12);
    CHECK(count("&lt;/text&gt;&lt;script&gt;") > 3);
    CHECK(count("93.00 %") == 1 && count("91.00 %") == 1);
    CHECK(count("<b>7.81 KiB</b>") == 1);
}

/* Facts that are missing leave out figures, never a number. */
static void a_page_grows(const hawq_page *full) {
    hawq_page p = {.model = "net.onnx", .study = {.accuracy = NAN}};
    if (write_page(&p, "empty.html")) check_page(0);
    CHECK(count("hawq-analyze MODEL") == 1);
    fill_analysis(&p);
    p.study.accuracy = NAN;
    if (write_page(&p, "analysed.html")) check_page(6);
    p = *full;
    p.analysis = p.n_layers = p.n_values = p.n_histograms = p.n_readings = 0;
    if (write_page(&p, "benched.html")) check_page(1);
    hawq_arena arena = {0};
    CHECK_FAILS(hawq_report_write("/nowhere/x.html", full, &arena), HAWQ_EIO,
                "cannot be written");
    hawq_arena_free(&arena);
}

/* --- the store ------------------------------------------------------------ */

static void what_is_put_comes_back(const hawq_page *full) {
    hawq_arena  arena = {0};
    hawq_store *store;
    hawq_page   got;
    int64_t     run;
    if (!CHECK_OK(hawq_store_open("page.db", HAWQ_STORE_WRITE, &store))) return;
    hawq_run_record r = full->run;
    r.program = "hawq-analyze";
    r.version = r.sampling = r.provider = r.weight_range = "";
    r.model_hash = "abc";
    CHECK_OK(hawq_store_load_page(store, "abc", &arena, &got));
    CHECK(!got.analysis && !got.allocation && !got.n_benchmarks);
    CHECK_OK(hawq_store_begin_run(store, &r, &run));
    CHECK_OK(hawq_store_put_layers(store, run, LAYERS, layer));
    CHECK_OK(hawq_store_put_sensitivity(store, run, VALUES, value));
    CHECK_OK(hawq_store_put_study(store, run, &full->study));
    CHECK_OK(hawq_store_put_eigenvalues(store, run, 3, eigenvalue));
    CHECK_OK(hawq_store_put_density(store, run, 3, density));
    CHECK_OK(hawq_store_put_density(store, run, 3, density + 3));
    CHECK_OK(hawq_store_put_walk(store, run, POINTS, walk));
    CHECK_OK(hawq_store_put_histogram(store, run, &histogram[1]));
    CHECK_OK(hawq_store_finish_run(store, run));
    CHECK_OK(hawq_store_load_page(store, "abc", &arena, &got));
    CHECK(got.analysis == run && got.n_layers == LAYERS);
    CHECK(got.n_values == VALUES && got.study.images == 128);
    CHECK(got.study.accuracy == 0.93 && got.n_walks == POINTS);
    CHECK(got.n_eigenvalues == 3 && got.eigenvalue[1].value == 21);
    CHECK(got.n_densities == 6 && got.n_histograms == 1);
    CHECK(got.histogram[0].n_levels == 15 && got.histogram[0].layer == 1);
    CHECK(got.histogram[0].level[0] == -7 &&
          got.histogram[0].count[3] == histogram[1].count[3]);
    hawq_walk_record bad = {"x", 0, NAN};
    CHECK_FAILS(hawq_store_put_walk(store, run, 1, &bad), HAWQ_ENONFINITE,
                "not finite");
    hawq_store_close(store);
    hawq_arena_free(&arena);
}

/* --- a browser ------------------------------------------------------------ */

/* The page with a last element that measures: its title becomes the widths. */
static bool add_ruler(void) {
    FILE *f = fopen("full.html", "ab");
    if (!f) return false;
    fputs("<script>document.title='width '+document.documentElement"
          ".scrollWidth+' of '+window.innerWidth</script>\n",
          f);
    return !fclose(f);
}

static void a_browser_has_no_complaint(void) {
    char  command[600], text[4096];
    int   width = 0, inner = 0;
    FILE *f;
    if (system("command -v chromium >/dev/null 2>&1")) {
        printf("skipped: chromium is not installed\n");
        return;
    }
    CHECK(add_ruler());
    snprintf(command, sizeof command,
             "timeout 100 chromium --headless --no-sandbox --disable-gpu "
             "--window-size=500,900 --enable-logging=stderr --dump-dom "
             "'file://%s/full.html' 2>browser.log",
             folder);
    if (!CHECK((f = popen(command, "r")))) return;
    while (fgets(text, sizeof text, f)) {
        const char *at = strstr(text, "<title>width ");
        if (at) sscanf(at, "<title>width %d of %d", &width, &inner);
    }
    CHECK(pclose(f) == 0);
    CHECK(inner > 0 && width <= inner);
    if ((f = fopen("browser.log", "r"))) {
        while (fgets(text, sizeof text, f)) CHECK(!strstr(text, "CONSOLE"));
        fclose(f);
    }
}

int main(void) {
    static const char *const left[] = {
        "full.html", "empty.html",  "analysed.html", "benched.html",
        "page.db",   "page.db-wal", "page.db-shm",   "browser.log"};
    static hawq_page full;
    if (!mkdtemp(folder) || chdir(folder)) return 1;
    a_full_page_is_safe_and_whole(&full);
    a_page_grows(&full);
    what_is_put_comes_back(&full);
    a_browser_has_no_complaint();
    for (size_t i = 0; i < sizeof left / sizeof *left; i++) unlink(left[i]);
    if (chdir("/") || rmdir(folder)) printf("%s is left\n", folder);
    DONE();
}
