/* layers.c -- the table of layers, with what bounds each, and the energy.
 *
 * What bounds a layer: the rates that the layers of this run reached are the
 * ceilings, operations a second on one side and bytes of weights a second on
 * the other (a roofline, Williams et al. 2009, probed by the network itself).
 * A layer at half of a ceiling or more is bound by it, the nearer if by both;
 * one below both waits for something else.
 *
 * Energy: Horowitz (2014), 45 nm, 0.9 V: picojoules of an 8-bit multiplication
 * 0.2 and a 32-bit addition 0.1; of a float32 multiplication 3.7 and addition
 * 0.9; of a byte from DRAM 160 (640 a word of 32 bits).
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/parts.h"

#include <math.h>
#include <string.h>

static const double int_mac = 0.2 + 0.1, float_mac = 3.7 + 0.9, dram_byte = 160;

static const hawq_choice *choice_of(const hawq_page *p, int layer) {
    if (!p->allocation) return NULL;
    for (int i = 0; i < p->chosen.n_layers; i++)
        if (!strcmp(p->chosen.choice[i].layer, p->layer[layer].name))
            return &p->chosen.choice[i];
    return NULL;
}

static const hawq_layer_timing *timing_of(const hawq_page *p, int layer) {
    for (int i = 0; i < p->n_timings; i++)
        if (!strcmp(p->timing[i].layer, p->layer[layer].name))
            return &p->timing[i];
    return NULL;
}

static const char *candidate_of(const hawq_choice *c) {
    static const char *const plain[] = {"w2", "w4", "w8"};
    if (c->candidate && *c->candidate) return c->candidate;
    return c->weight_bits == HAWQ_FLOAT_BITS
               ? "float"
               : plain[c->weight_bits >= 8 ? 2 : c->weight_bits >= 4];
}

/* Of the timed benchmark: images a batch. */
static double batch_of(const hawq_page *p) {
    for (int i = 0; i < p->n_benchmarks; i++)
        if (p->timed && !strcmp(p->benchmark[i].label, p->timed))
            return p->benchmark[i].batch_size;
    return 1;
}

typedef struct rates {
    double operations, bytes; /* a microsecond; NaN: not timed */
} rates;

static rates rates_of(const hawq_page *p, int layer) {
    const hawq_layer_timing *t = timing_of(p, layer);
    const hawq_layer_record *l = &p->layer[layer];
    if (!t || !(t->latency_us > 0)) return (rates){NAN, NAN};
    double bytes =
        (double)hawq_weight_bytes(l->params, l->channels, t->weight_bits);
    return (rates){2 * (double)l->macs * batch_of(p) / t->latency_us,
                   bytes / t->latency_us};
}

static rates ceilings_of(const hawq_page *p) {
    rates most = {0, 0};
    for (int l = 0; l < p->n_layers; l++) {
        rates r = rates_of(p, l);
        most.operations = fmax(most.operations, r.operations);
        most.bytes = fmax(most.bytes, r.bytes);
    }
    return most;
}

static const char *bound_of(rates r, rates most) {
    double operations = r.operations / most.operations;
    double bytes = r.bytes / most.bytes;
    if (isnan(operations)) return "";
    if (operations < 0.5 && bytes < 0.5) return "neither";
    return operations >= bytes ? "arithmetic" : "bytes of weights";
}

static void put_number(FILE *out, double x, int digits) {
    fputs("<td>", out);
    if (isfinite(x)) fprintf(out, "%.*g", digits, x);
    fputs("</td>", out);
}

static void put_cell(FILE *out, const char *text) {
    fputs("<td class=\"l\">", out);
    hawq_html_text(out, text);
    fputs("</td>", out);
}

static void put_row(const hawq_report *r, int l, rates most) {
    const hawq_page               *p = r->page;
    const hawq_layer_record       *layer = &p->layer[l];
    const hawq_choice             *c = choice_of(p, l);
    const hawq_layer_timing       *t = timing_of(p, l);
    const char                    *usual = hawq_report_candidate(r, 4);
    const hawq_sensitivity_record *v =
        usual ? hawq_report_value(r, r->metric, l, usual) : NULL;
    rates rate = rates_of(p, l);
    char  text[32];
    fputs("<tr>", r->out);
    put_cell(r->out, layer->name);
    put_cell(r->out, layer->op);
    fprintf(r->out, "<td>%s</td>",
            hawq_html_count((double)layer->params, text));
    fprintf(r->out, "<td>%s</td>", hawq_html_count((double)layer->macs, text));
    put_number(r->out, v ? v->value : NAN, 3);
    if (p->allocation) {
        put_cell(r->out, c ? candidate_of(c) : "");
        double bytes = c ? hawq_report_bytes(r, l, candidate_of(c)) : NAN;
        fprintf(r->out, "<td>%s</td>",
                isnan(bytes) ? "" : hawq_html_bytes(bytes, text));
    }
    if (p->n_timings) {
        put_cell(r->out, t ? t->kernel : "");
        put_number(r->out, t ? t->latency_us : NAN, 4);
        put_number(r->out, floor(rate.operations / rate.bytes + 0.5), 6);
        put_number(r->out, floor(100 * rate.operations / most.operations + 0.5),
                   3);
        put_cell(r->out, bound_of(rate, most));
    }
    fputs("</tr>\n", r->out);
}

static void put_head(const hawq_report *r) {
    const char *usual = hawq_report_candidate(r, 4);
    fputs("<tr><th>layer</th><th class=\"l\">operator</th><th>weights</th>"
          "<th>MACs</th><th>",
          r->out);
    hawq_html_text(r->out, r->metric);
    if (usual) {
        fputs(" at ", r->out);
        hawq_html_text(r->out, usual);
    }
    fputs("</th>", r->out);
    if (r->page->allocation)
        fputs("<th class=\"l\">chosen</th><th>size</th>", r->out);
    if (r->page->n_timings)
        fputs("<th class=\"l\">kernel</th><th>&#181;s</th><th>operations a "
              "byte</th><th>% of best</th><th class=\"l\">bound by</th>",
              r->out);
    fputs("</tr>\n", r->out);
}

void hawq_report_layers(const hawq_report *r) {
    const hawq_page *p = r->page;
    if (!p->n_layers) return;
    rates most = ceilings_of(p);
    hawq_report_heading(r, "Layer by layer");
    if (p->n_timings) {
        fputs("<p>Times are those of <b>", r->out);
        hawq_html_text(r->out, p->timed);
        fprintf(r->out,
                "</b>. The best layer reached %.3g billion operations a "
                "second, and one %.3g GB of weights a second: a layer at half "
                "of either is bound by it.</p>\n",
                most.operations / 1e3, most.bytes / 1e3);
    }
    fputs("<div class=\"wide\"><table>\n", r->out);
    put_head(r);
    for (int l = 0; l < p->n_layers; l++) put_row(r, l, most);
    fputs("</table></div>\n", r->out);
}

void hawq_report_energy(const hawq_report *r) {
    const hawq_page *p = r->page;
    double           macs = 0, params = 0;
    if (!p->n_layers) return;
    for (int l = 0; l < p->n_layers; l++) {
        macs += (double)p->layer[l].macs;
        params += (double)p->layer[l].params;
    }
    double rest = (double)p->study.rest_bytes;
    double whole = macs * float_mac + (4 * params + rest) * dram_byte;
    double bytes =
        p->allocation ? (double)p->chosen.weight_bytes : params + rest;
    double small = macs * int_mac + bytes * dram_byte;
    fprintf(r->out,
            "<h2>Energy, estimated</h2>\n<p>One image alone takes about %.3g "
            "&#181;J with 32-bit floats and %.3g &#181;J with %s (%.1f times "
            "less): %.0f %% of that is reading the weights once from DRAM. "
            "From Horowitz&#39;s (2014) table for 45 nm: 0.3 pJ an 8-bit "
            "multiply-add, 4.6 pJ a 32-bit float one, 160 pJ a byte of DRAM; "
            "activations and everything else are left out.</p>\n",
            whole / 1e6, small / 1e6,
            p->allocation ? "the chosen bits" : "8 bits everywhere",
            whole / small, 100 * bytes * dram_byte / small);
}
