/* summary.c -- three sentences that need no knowledge of quantization.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/parts.h"

#include <math.h>
#include <string.h>

static void put_bytes(const hawq_report *r, double bytes) {
    char text[32];
    fputs(hawq_html_bytes(bytes, text), r->out);
}

/* What the network is. */
static void say_network(const hawq_report *r) {
    const hawq_page *p = r->page;
    int64_t          params = 0;
    char             text[32];
    for (int l = 0; l < p->n_layers; l++) params += p->layer[l].params;
    fprintf(r->out, "The network has %d layers with %s weights, which take ",
            p->n_layers, hawq_html_count((double)params, text));
    put_bytes(r, 4.0 * (double)params + (double)p->study.rest_bytes);
    fputs(" as 32-bit numbers", r->out);
    if (p->study.images && !isnan(p->study.accuracy))
        fprintf(r->out, "; it is right for %.2f %% of %lld images",
                100 * p->study.accuracy, (long long)p->study.images);
    else if (p->study.images)
        fprintf(r->out, "; its loss on %lld images is %.4g",
                (long long)p->study.images, p->study.loss);
    fputs(". ", r->out);
}

/* The layer with the largest and the smallest value at a candidate. */
static void say_layers(const hawq_report *r) {
    const hawq_page *p = r->page;
    const char      *candidate = hawq_report_candidate(r, 4);
    int              most = -1, least = -1;
    double           high = -INFINITY, low = INFINITY;
    for (int l = 0; candidate && l < p->n_layers; l++) {
        const hawq_sensitivity_record *v =
            hawq_report_value(r, r->metric, l, candidate);
        if (v && v->value > high) {
            high = v->value;
            most = l;
        }
        if (v && v->value < low) {
            low = v->value;
            least = l;
        }
    }
    if (most < 0) return;
    fputs("With few bits (", r->out);
    hawq_html_text(r->out, candidate);
    fputs(") it suffers most in layer <b>", r->out);
    hawq_html_text(r->out, p->layer[most].name);
    fprintf(r->out, "</b> (%.3g) and least in <b>", high);
    hawq_html_text(r->out, p->layer[least].name);
    fprintf(r->out, "</b> (%.3g). ", low);
}

static void say_allocation(const hawq_report *r) {
    const hawq_page *p = r->page;
    double           whole = (double)p->study.rest_bytes;
    for (int l = 0; l < p->n_layers; l++)
        whole += 4.0 * (double)p->layer[l].params;
    fputs("The chosen bits store the weights in <b>", r->out);
    put_bytes(r, (double)p->chosen.weight_bytes);
    fprintf(r->out,
            "</b>, %.0f %% of that, at an expected rise of the loss "
            "by %.3g",
            100 * (double)p->chosen.weight_bytes / whole, p->chosen.objective);
    fputs(!strcmp(p->chosen.state, "optimal")
              ? "; no other choice within the budget is better by that "
                "measure. "
              : ". ",
          r->out);
}

/* The benchmark of the chosen bits, or the best of the others. */
static void say_benchmark(const hawq_report *r) {
    const hawq_page             *p = r->page;
    const hawq_benchmark_record *b = NULL;
    for (int i = 0; i < p->n_benchmarks; i++)
        if (p->timed && !strcmp(p->benchmark[i].label, p->timed))
            b = &p->benchmark[i];
    if (!b) {
        fputs("It has not been run on integer kernels yet: hawq-bench "
              "measures it.",
              r->out);
        return;
    }
    if (p->allocation && b->allocation != p->allocation)
        fputs("These bits have not been run on integer kernels yet; others "
              "have: as ",
              r->out);
    else
        fputs("Run on integer kernels (", r->out);
    hawq_html_text(r->out, b->label);
    fputs(p->allocation && b->allocation != p->allocation ? " " : "), ",
          r->out);
    if (!isnan(b->accuracy))
        fprintf(r->out,
                "it is right for %.2f %% of %lld images, against "
                "%.2f %% with 32 bits",
                100 * b->accuracy, (long long)b->samples,
                100 * b->float_accuracy);
    else if (!isnan(b->agreement))
        fprintf(r->out,
                "it agrees with the 32-bit network on %.2f %% of %lld "
                "images",
                100 * b->agreement, (long long)b->samples);
    else
        fprintf(r->out, "%lld images were computed", (long long)b->samples);
    if (b->latency_us > 0)
        fprintf(r->out, ", in %.3g ms a batch of %d", b->latency_us / 1e3,
                b->batch_size);
    if (b->speedup_vs_float > 0)
        fprintf(r->out, ", %.2f times as fast", b->speedup_vs_float);
    fputs(".", r->out);
}

/* At a minimum the gradient vanishes; far from it the second-order view does
 * not hold. */
static void say_facts(const hawq_report *r) {
    const hawq_page *p = r->page;
    fputs("<p class=\"note\">", r->out);
    if (p->analysis) {
        fputs("Data ", r->out);
        hawq_html_text(r->out, p->run.data);
        fputs(", loss ", r->out);
        hawq_html_text(r->out, p->run.loss);
        if (p->study.images)
            fprintf(r->out, " %.4g, gradient norm %.3g", p->study.loss,
                    p->study.gradient_norm);
        fprintf(r->out, "; analysis run %lld by ", (long long)p->analysis);
        hawq_html_text(r->out, p->run.command);
        fputs(" on ", r->out);
        hawq_html_text(r->out, p->run.host);
        fputs(".", r->out);
    }
    fputs("</p>\n", r->out);
}

void hawq_report_summary(const hawq_report *r) {
    fputs("<p class=\"sum\">", r->out);
    if (r->page->analysis) say_network(r);
    if (r->page->allocation && r->page->chosen.weight_bytes > 0 &&
        r->page->analysis)
        say_allocation(r);
    else if (r->page->analysis)
        say_layers(r);
    say_benchmark(r);
    fputs("</p>\n", r->out);
    say_facts(r);
}
