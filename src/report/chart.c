/* chart.c -- see chart.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/chart.h"

#include "src/report/html.h"

#include <math.h>
#include <string.h>

enum {
    WIDTH = 360,
    HEIGHT = 240,
    LEFT = 58,
    RIGHT = 22,
    TOP = 22,
    BOTTOM = 38
};
enum { BAR = 17, NAMES = 118, ROW = 16 };

typedef struct axis {
    double low, high; /* of values, or of their logarithms */
    double from, to;  /* in the picture */
    bool   log;
} axis;

static double place(const axis *a, double v) {
    double t = a->log ? log10(v) : v;
    return a->from + (t - a->low) / (a->high - a->low) * (a->to - a->from);
}

static bool is_drawn(double v, bool log) {
    return isfinite(v) && (!log || v > 0);
}

static void begin(FILE *out, const char *caption, int height) {
    fputs("<figure><figcaption>", out);
    hawq_html_text(out, caption);
    fprintf(out, "</figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\">\n",
            WIDTH, height);
}

static void end(FILE *out) {
    fputs("</svg></figure>\n", out);
}

/* --- axes ----------------------------------------------------------------- */

/* 1, 2 or 5 times a power of ten, with about n of them in the range. */
static double tick_step(double range, int n) {
    double power = pow(10, floor(log10(range / n))), s = range / n / power;
    return power * (s < 1.5 ? 1 : s < 3.5 ? 2 : s < 7.5 ? 5 : 10);
}

static void label(double v, bool bytes, char text[32]) {
    if (bytes)
        hawq_html_bytes(v, text);
    else if (v != 0 && (fabs(v) < 1e-3 || fabs(v) >= 1e5))
        snprintf(text, 32, "%.0e", v);
    else
        snprintf(text, 32, "%.6g", v);
}

static void put_tick(FILE *out, const axis *a, double v, bool vertical,
                     bool bytes) {
    char   text[32];
    double at = place(a, v);
    label(v, bytes, text);
    if (vertical)
        fprintf(out,
                "<path class=\"g\" d=\"M%d %.1fH%d\"/><text class=\"s\" "
                "x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                LEFT, at, WIDTH - RIGHT, LEFT - 4, at + 4, text);
    else
        fprintf(out,
                "<path class=\"g\" d=\"M%.1f %dV%d\"/><text class=\"s\" "
                "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                at, TOP, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 14, text);
}

/* Powers of ten or, where those are few, 1, 2 and 5 times them. */
static void put_log_ticks(FILE *out, const axis *a, bool vertical, bool bytes,
                          int most) {
    static const double part[] = {1, 2, 5};
    double              decades = a->high - a->low;
    int                 parts = decades < 1.7 ? 3 : 1;
    int                 every = (int)fmax(1, ceil(decades / most));
    for (int e = (int)floor(a->low); e <= a->high + 1e-9; e++)
        for (int i = 0; i < parts && e % every == 0; i++) {
            double at = e + log10(part[i]);
            if (at >= a->low - 1e-9 && at <= a->high + 1e-9)
                put_tick(out, a, part[i] * pow(10, e), vertical, bytes);
        }
}

static void put_ticks(FILE *out, const axis *a, bool vertical, bool bytes) {
    int most = vertical ? 5 : bytes ? 3 : 4;
    if (a->log) {
        put_log_ticks(out, a, vertical, bytes, most);
        return;
    }
    double unit = bytes ? pow(1024, floor(log2(a->high) / 10)) : 1;
    double step = tick_step((a->high - a->low) / unit, most) * unit;
    for (double v = ceil(a->low / step - 1e-9) * step;
         v <= a->high + step * 1e-9; v += step)
        put_tick(out, a, fabs(v) < step * 1e-9 ? 0 : v, vertical, bytes);
}

/* The range of all points, with air. */
static bool find_range(const hawq_chart *c, bool vertical, axis *a) {
    a->log = vertical ? c->log_y : c->log_x;
    a->low = INFINITY;
    a->high = -INFINITY;
    for (int i = 0; i < c->n; i++)
        for (int k = 0; k < c->curve[i].n; k++) {
            double x = c->curve[i].x[k], y = c->curve[i].y[k];
            if (!is_drawn(x, c->log_x) || !is_drawn(y, c->log_y)) continue;
            double v = vertical ? y : x;
            if (a->log) v = log10(v);
            a->low = fmin(a->low, v);
            a->high = fmax(a->high, v);
        }
    if (!(a->low <= a->high)) return false;
    if (vertical && c->zero && !a->log) a->low = fmin(a->low, 0);
    if (vertical && c->zero && !a->log) a->high = fmax(a->high, 0);
    double air = (a->high - a->low) * 0.08;
    if (!(air > 1e-12 * fabs(a->high))) air = fabs(a->high) * 0.1 + 1e-6;
    a->low -= air;
    a->high += air;
    return true;
}

/* --- marks ---------------------------------------------------------------- */

static bool is_line(const hawq_curve *k) {
    return k->kind == HAWQ_MARK_LINE || k->kind == HAWQ_MARK_STEPS;
}

static void put_line(FILE *out, const hawq_curve *k, const axis *x,
                     const axis *y) {
    double before = NAN;
    fprintf(out,
            "<path fill=\"none\" stroke=\"var(--%c)\" stroke-width=\"1.8\" "
            "d=\"",
            k->colour);
    for (int i = 0; i < k->n; i++) {
        if (!is_drawn(k->x[i], x->log) || !is_drawn(k->y[i], y->log)) continue;
        double px = place(x, k->x[i]), py = place(y, k->y[i]);
        if (k->kind == HAWQ_MARK_STEPS && !isnan(before))
            fprintf(out, "H%.1f", px);
        fprintf(out, "%s%.1f %.1f", isnan(before) ? "M" : "L", px, py);
        before = py;
    }
    fputs("\"/>\n", out);
}

/* Where labels stand already. */
typedef struct boxes {
    int    n;
    double x[64], y[64], wide[64];
} boxes;

static bool is_free(const boxes *b, double x, double y, double wide) {
    if (x < 0 || x + wide > WIDTH || y < TOP || y > HEIGHT - BOTTOM + 2)
        return false;
    for (int i = 0; i < b->n; i++)
        if (fabs(y - b->y[i]) < 12 && x < b->x[i] + b->wide[i] &&
            b->x[i] < x + wide)
            return false;
    return b->n < 64;
}

/* On the first free side of the dot; a label without a place is left out, and
 * the dot still says it when it is pointed at. */
static void put_label(FILE *out, const char *text, double px, double py,
                      boxes *b) {
    enum { LONGEST = 20 };
    size_t length = strlen(text);
    double wide = 6.5 * (double)(length < LONGEST ? length : LONGEST);
    for (int side = 0; side < 6; side++) {
        double x = side % 2 ? px - 8 - wide : px + 8;
        double y = py + (side < 2 ? 4 : side < 4 ? -7 : 15);
        if (!is_free(b, x, y, wide)) continue;
        b->x[b->n] = x;
        b->y[b->n] = y;
        b->wide[b->n++] = wide;
        fprintf(out,
                "<text class=\"k\" x=\"%.1f\" y=\"%.1f\" "
                "text-anchor=\"%s\">",
                side % 2 ? px - 8 : px + 8, y, side % 2 ? "end" : "start");
        hawq_html_short(out, text, LONGEST);
        fputs("</text>\n", out);
        return;
    }
}

static void put_dots(FILE *out, const hawq_curve *k, const axis *x,
                     const axis *y, boxes *b) {
    bool big = k->kind == HAWQ_MARK_BIG;
    for (int i = 0; i < k->n; i++) {
        const char *label = big && k->label ? k->label[i] : NULL;
        if (!is_drawn(k->x[i], x->log) || !is_drawn(k->y[i], y->log)) continue;
        double px = place(x, k->x[i]), py = place(y, k->y[i]);
        fprintf(out,
                "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" "
                "fill=\"var(--%c)\">",
                px, py, big ? "5" : "3", k->colour);
        if (label) {
            fputs("<title>", out);
            hawq_html_text(out, label);
            fputs("</title>", out);
        }
        fputs("</circle>\n", out);
        if (label) put_label(out, label, px, py, b);
    }
}

/* Above the picture, in as many lines as it takes; the height of those beyond
 * the first. out NULL: only that. */
static int put_legend(FILE *out, const hawq_chart *c) {
    enum { LONGEST = 24, LETTER = 6, LINE = 15 };
    double at = LEFT, y = 9;
    int    lines = 1;
    for (int i = 0; i < c->n; i++) {
        const hawq_curve *k = &c->curve[i];
        if (!k->name || !k->n) continue;
        size_t length = strlen(k->name);
        double wide =
            24 + LETTER * (double)(length < LONGEST ? length : LONGEST);
        if (at > LEFT && at + wide > WIDTH - RIGHT) {
            at = LEFT;
            y += LINE;
            lines++;
        }
        if (out) {
            fprintf(out,
                    "<circle cx=\"%.0f\" cy=\"%.0f\" r=\"4\" "
                    "fill=\"var(--%c)\"/><text x=\"%.0f\" y=\"%.0f\">",
                    at + 4, y, k->colour, at + 12, y + 4);
            hawq_html_short(out, k->name, LONGEST);
            fputs("</text>\n", out);
        }
        at += wide;
    }
    return (lines - 1) * LINE;
}

static void put_names(FILE *out, const hawq_chart *c) {
    fprintf(out, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
            (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    hawq_html_text(out, c->x_name);
    fprintf(out,
            "</text><text class=\"s\" transform=\"translate(11 %d) "
            "rotate(-90)\" text-anchor=\"middle\">",
            (TOP + HEIGHT - BOTTOM) / 2);
    hawq_html_text(out, c->y_name);
    fputs("</text>\n", out);
}

bool hawq_chart_put(FILE *out, const hawq_chart *c) {
    axis  x = {.from = LEFT, .to = WIDTH - RIGHT};
    axis  y = {.from = HEIGHT - BOTTOM, .to = TOP};
    boxes labels = {.n = 0};
    if (!find_range(c, false, &x) || !find_range(c, true, &y)) return false;
    int down = put_legend(NULL, c);
    begin(out, c->caption, HEIGHT + down);
    put_legend(out, c);
    fprintf(out, "<g transform=\"translate(0 %d)\">\n", down);
    put_ticks(out, &x, false, c->x_bytes);
    put_ticks(out, &y, true, false);
    put_names(out, c);
    for (int i = c->n - 1; i >= 0; i--) /* the first one on top */
        if (c->curve[i].n && is_line(&c->curve[i]))
            put_line(out, &c->curve[i], &x, &y);
    for (int i = c->n - 1; i >= 0; i--)
        if (c->curve[i].n && !is_line(&c->curve[i]))
            put_dots(out, &c->curve[i], &x, &y, &labels);
    fputs("</g>", out);
    end(out);
    return true;
}

/* --- bars ----------------------------------------------------------------- */

static double half_of(const hawq_bar *b) {
    return isfinite(b->half) ? b->half : 0;
}

static void put_bar(FILE *out, const hawq_bar *b, const axis *x, int row) {
    double y = 8 + BAR * row, zero = place(x, 0), end = place(x, b->value);
    double h = half_of(b);
    fprintf(out, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\"><title>",
            NAMES - 4, y + 11);
    hawq_html_text(out, b->name);
    fputs("</title>", out);
    hawq_html_short(out, b->name, 19);
    fprintf(out,
            "</text><rect x=\"%.1f\" y=\"%.0f\" width=\"%.1f\" height=\"11\" "
            "fill=\"var(--a)\" fill-opacity=\".8\"/>\n",
            fmin(zero, end), y + 2, fmax(fabs(end - zero), 0.8));
    if (h > 0)
        fprintf(out,
                "<path stroke=\"var(--fg)\" d=\"M%.1f %.1fH%.1fM%.1f "
                "%.1fv6M%.1f %.1fv6\"/>\n",
                place(x, b->value - h), y + 7.5, place(x, b->value + h),
                place(x, b->value - h), y + 4.5, place(x, b->value + h),
                y + 4.5);
}

bool hawq_bars_put(FILE *out, const char *caption, const char *unit, int n,
                   const hawq_bar *bar) {
    axis x = {.from = NAMES + 2, .to = WIDTH - RIGHT};
    int  height = 8 + BAR * n + 36;
    char text[32];
    for (int i = 0; i < n; i++) {
        x.low = fmin(x.low, bar[i].value - half_of(&bar[i]));
        x.high = fmax(x.high, bar[i].value + half_of(&bar[i]));
    }
    if (!n || !(x.high > x.low)) return false;
    begin(out, caption, height);
    double step = tick_step(x.high - x.low, 3);
    for (double v = ceil(x.low / step - 1e-9) * step; v <= x.high; v += step) {
        label(fabs(v) < step * 1e-9 ? 0 : v, false, text);
        fprintf(out,
                "<path class=\"g\" d=\"M%.1f 6V%d\"/><text class=\"s\" "
                "x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
                place(&x, v), 10 + BAR * n, place(&x, v), 22 + BAR * n, text);
    }
    for (int i = 0; i < n; i++) put_bar(out, &bar[i], &x, i);
    fprintf(out, "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
            (NAMES + WIDTH) / 2, height - 4);
    hawq_html_text(out, unit);
    fputs("</text>\n", out);
    end(out);
    return true;
}

/* --- histograms ----------------------------------------------------------- */

bool hawq_bins_put(FILE *out, const hawq_bins *b) {
    enum { TALL = 120, FOOT = 84 };
    axis   x = {.low = b->low, .from = 8, .to = WIDTH - 8};
    double most = 0;
    x.high = b->low + b->width * b->n;
    for (int i = 0; i < b->n; i++) most = fmax(most, b->count[i]);
    if (!(most > 0) || !(x.high > x.low)) return false;
    begin(out, b->name, TALL);
    for (int i = 0; i < b->n; i++) {
        if (!(b->count[i] > 0)) continue;
        double h =
            (log10(b->count[i]) + 0.3) / (log10(most) + 0.3) * (FOOT - 6);
        double left = place(&x, b->low + b->width * i);
        fprintf(out,
                "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
                "fill=\"var(--a)\" fill-opacity=\".8\"/>\n",
                left, FOOT - h,
                place(&x, b->low + b->width * (i + 1)) - left - 0.4, h);
    }
    for (int i = 0; i < b->n_levels; i++)
        if (b->level[i] >= x.low && b->level[i] <= x.high)
            fprintf(out,
                    "<path stroke=\"var(--b)\" stroke-width=\"1.5\" "
                    "d=\"M%.1f %dv9\"/>\n",
                    place(&x, b->level[i]), FOOT + 2);
    fprintf(out, "<text class=\"s\" x=\"8\" y=\"%d\">%.3g</text>", TALL - 10,
            x.low);
    fprintf(out,
            "<text class=\"s\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%.3g"
            "</text><text class=\"s\" x=\"%d\" y=\"%d\" "
            "text-anchor=\"middle\">",
            WIDTH - 8, TALL - 10, x.high, WIDTH / 2, TALL - 10);
    hawq_html_text(out, b->x_name);
    fputs("</text>\n", out);
    end(out);
    return true;
}
