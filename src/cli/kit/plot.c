/* plot.c -- see plot.h. Coordinates are pixels; y grows downwards.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/cli/kit/plot.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    WIDTH = 860,
    HEIGHT = 560,
    LEFT = 96,
    RIGHT = 24,
    TOP = 48,
    BOTTOM = 64
};

typedef struct axis {
    double low, high;   /* data */
    double from, to;    /* pixels */
    bool   logarithmic; /* low > 0 */
} axis;

typedef struct canvas {
    FILE            *file;
    const hawq_plot *plot;
    axis             x, y;
} canvas;

static double place(const axis *a, double value) {
    double low = a->low, high = a->high;
    if (a->logarithmic) {
        low = log10(low);
        high = log10(high);
        value = log10(value);
    }
    return a->from + (value - low) / (high - low) * (a->to - a->from);
}

/* --- ranges ----------------------------------------------------------------
 */

static bool is_drawn(const hawq_plot *p, double x, double y) {
    return isfinite(x) && isfinite(y) && (!p->log_y || y > 0) &&
           (!p->log_x || x > 0);
}

/* By shares of the range below and above. */
static void widen(axis *a, double below, double above) {
    double range = a->high - a->low;
    if (a->logarithmic) {
        double more = pow(a->high / a->low, 0.05);
        if (!(more > 1.01)) more = 1.5;
        a->low /= more;
        a->high *= more;
        return;
    }
    if (!(range > 0)) range = fabs(a->high) + 1;
    a->low -= below * range;
    a->high += above * range;
}

/* The smallest and largest values that are drawn, widened a little. */
static bool find_ranges(canvas *c) {
    const hawq_plot *p = c->plot;
    c->x = (axis){INFINITY, -INFINITY, LEFT, WIDTH - RIGHT, p->log_x};
    c->y = (axis){INFINITY, -INFINITY, HEIGHT - BOTTOM, TOP, p->log_y};
    for (int s = 0; s < p->n_series; s++)
        for (int i = 0; i < p->series[s].n; i++) {
            double x = p->series[s].x[i], y = p->series[s].y[i];
            if (!is_drawn(p, x, y)) continue;
            c->x.low = fmin(c->x.low, x);
            c->x.high = fmax(c->x.high, x);
            c->y.low = fmin(c->y.low, y);
            c->y.high = fmax(c->y.high, y);
        }
    if (!(c->x.low <= c->x.high)) return false;
    widen(&c->x, 0.04, 0.06);
    widen(&c->y, 0.05, 0.08);
    return true;
}

/* --- text ------------------------------------------------------------------
 */

static void put_escaped(FILE *file, const char *text) {
    for (; *text; text++) switch (*text) {
        case '<':
            fputs("&lt;", file);
            break;
        case '>':
            fputs("&gt;", file);
            break;
        case '&':
            fputs("&amp;", file);
            break;
        default:
            fputc((unsigned char)*text < 0x20 ? ' ' : *text, file);
        }
}

/* anchor: "start", "middle", "end". */
static void put_text(const canvas *c, double x, double y, int size,
                     const char *anchor, const char *more, const char *text) {
    fprintf(c->file,
            "<text x=\"%.1f\" y=\"%.1f\" font-size=\"%d\" "
            "text-anchor=\"%s\"%s>",
            x, y, size, anchor, more);
    put_escaped(c->file, text);
    fputs("</text>\n", c->file);
}

/* --- axes ------------------------------------------------------------------
 */

/* 1, 2 or 5 times a power of ten, so that the range has 4 to 10 of it. */
static double nice_step(double range) {
    double power = pow(10, floor(log10(range / 5)));
    double ratio = range / 5 / power;
    return power * (ratio < 1.5 ? 1 : ratio < 3.5 ? 2 : ratio < 7.5 ? 5 : 10);
}

static void put_x_tick(const canvas *c, double value) {
    char   text[32];
    double x = place(&c->x, value * c->plot->x_unit);
    snprintf(text, sizeof text, "%.6g", fabs(value) < 1e-12 ? 0 : value);
    fprintf(c->file, "<path d=\"M%.1f %d V%d\" stroke=\"#ddd\"/>\n", x, TOP,
            HEIGHT - BOTTOM);
    put_text(c, x, HEIGHT - BOTTOM + 18, 13, "middle", "", text);
}

static void put_y_tick(const canvas *c, double value) {
    char   text[32];
    double y = place(&c->y, value);
    snprintf(text, sizeof text, "%.4g", value);
    fprintf(c->file, "<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/>\n", LEFT, y,
            WIDTH - RIGHT);
    put_text(c, LEFT - 8, y + 4, 13, "end", "", text);
}

static void put_log_ticks(const canvas *c, double low, double high,
                          void (*put)(const canvas *, double)) {
    double decades = log10(high / low);
    for (double e = floor(log10(low)); e <= log10(high); e++)
        for (int m = 1; m < 10; m++) {
            bool   shown = m == 1 || (decades < 4 && (m == 2 || m == 5));
            double value = m * pow(10, e);
            if (shown && value >= low && value <= high) put(c, value);
        }
}

static void put_ticks(const canvas *c, double low, double high,
                      void (*put)(const canvas *, double)) {
    double step = nice_step(high - low);
    for (double k = ceil(low / step); k * step <= high; k++)
        put(c, fabs(k) < 0.5 ? 0 : k * step);
}

static void put_axes(const canvas *c) {
    double low = c->x.low / c->plot->x_unit, high = c->x.high / c->plot->x_unit;
    char   turn[64];
    (c->x.logarithmic ? put_log_ticks : put_ticks)(c, low, high, put_x_tick);
    (c->y.logarithmic ? put_log_ticks : put_ticks)(c, c->y.low, c->y.high,
                                                   put_y_tick);
    fprintf(c->file,
            "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" fill=\"none\" "
            "stroke=\"#333\"/>\n",
            LEFT, TOP, WIDTH - RIGHT - LEFT, HEIGHT - BOTTOM - TOP);
    put_text(c, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 18, 14, "middle", "",
             c->plot->x_name);
    snprintf(turn, sizeof turn, " transform=\"rotate(-90 22 %d)\"",
             (TOP + HEIGHT - BOTTOM) / 2);
    put_text(c, 22, (TOP + HEIGHT - BOTTOM) / 2, 14, "middle", turn,
             c->plot->y_name);
    put_text(c, LEFT, TOP - 18, 16, "start", " font-weight=\"bold\"",
             c->plot->title);
}

/* --- series ----------------------------------------------------------------
 */

static void put_dot(const canvas *c, const hawq_series *s, double x, double y,
                    double radius) {
    fprintf(c->file,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" fill=\"%s\"/>\n", x, y,
            radius, s->colour);
}

static void put_path(const canvas *c, const hawq_series *s) {
    bool        first = true;
    bool        steps = s->shape == HAWQ_STEPS;
    const char *next = steps ? " H%.1f V%.1f" : " L%.1f %.1f";
    fputs("<path fill=\"none\" d=\"", c->file);
    for (int i = 0; i < s->n; i++) {
        if (!is_drawn(c->plot, s->x[i], s->y[i])) continue;
        fprintf(c->file, first ? "M%.1f %.1f" : next, place(&c->x, s->x[i]),
                place(&c->y, s->y[i]));
        first = false;
    }
    if (!first && steps) fprintf(c->file, " H%.1f", c->x.to);
    fprintf(c->file, "\" stroke=\"%s\" stroke-width=\"2\"/>\n", s->colour);
}

static double radius_of(const hawq_series *s) {
    return s->shape == HAWQ_MARKERS ? 5 : s->shape == HAWQ_LINE ? 3.5 : 2.5;
}

static void put_series(const canvas *c, const hawq_series *s) {
    static const char halo[] =
        " paint-order=\"stroke\" stroke=\"#fff\" stroke-width=\"3\"";
    if (s->shape == HAWQ_STEPS || s->shape == HAWQ_LINE) put_path(c, s);
    for (int i = 0; i < s->n; i++) {
        if (s->shape == HAWQ_STEPS && s->n > 60) break; /* a solid line */
        if (!is_drawn(c->plot, s->x[i], s->y[i])) continue;
        double x = place(&c->x, s->x[i]), y = place(&c->y, s->y[i]);
        bool   right = x > WIDTH - RIGHT - 70;
        put_dot(c, s, x, y, radius_of(s));
        if (s->shape == HAWQ_MARKERS && s->label)
            put_text(c, x + (right ? -8 : 8), y - 8, 13,
                     right ? "end" : "start", halo, s->label[i]);
    }
}

/* At the upper right, for curves of loss against cost fall, or left. */
static void put_legend(const canvas *c) {
    double y = TOP + 14;
    int    rows = 0, wide = 220;
    for (int i = 0; i < c->plot->n_series; i++) {
        if (!c->plot->series[i].n) continue;
        int need = 54 + 7 * (int)strlen(c->plot->series[i].name);
        wide = need > wide ? need : wide;
        rows++;
    }
    const double x =
        c->plot->legend_left ? LEFT + 10 : WIDTH - RIGHT - 10 - wide;
    fprintf(c->file,
            "<rect x=\"%.0f\" y=\"%.0f\" width=\"%d\" height=\"%d\" "
            "fill=\"#fff\" fill-opacity=\"0.85\" stroke=\"#bbb\"/>\n",
            x, y - 4, wide, 20 * rows + 10);
    for (int i = 0; i < c->plot->n_series; i++) {
        const hawq_series *s = &c->plot->series[i];
        if (!s->n) continue;
        y += 20;
        if (s->shape == HAWQ_STEPS || s->shape == HAWQ_LINE)
            fprintf(c->file,
                    "<path d=\"M%.0f %.0f h26\" stroke=\"%s\" "
                    "stroke-width=\"2\"/>\n",
                    x + 8, y - 8, s->colour);
        else
            put_dot(c, s, x + 21, y - 8, radius_of(s));
        put_text(c, x + 42, y - 4, 13, "start", "", s->name);
    }
}

hawq_status hawq_plot_write(const char *path, const hawq_plot *plot) {
    canvas c = {.plot = plot};
    if (!find_ranges(&c))
        return hawq_fail(HAWQ_EINVAL, "%s: there is no point to draw", path);
    c.file = fopen(path, "wb");
    if (!c.file)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written: %s", path,
                         strerror(errno));
    fprintf(c.file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
            "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
            "fill=\"#222\">\n<rect width=\"%d\" height=\"%d\" "
            "fill=\"#fff\"/>\n",
            WIDTH, HEIGHT, WIDTH, HEIGHT, WIDTH, HEIGHT);
    put_axes(&c);
    for (int i = plot->n_series - 1; i >= 0; i--)
        put_series(&c, &plot->series[i]);
    put_legend(&c);
    fputs("</svg>\n", c.file);
    bool failed = ferror(c.file);
    if (fclose(c.file) || failed)
        return hawq_fail(HAWQ_EIO, "%s: cannot be written", path);
    return HAWQ_OK;
}
