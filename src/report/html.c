/* html.c -- see html.h.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "src/report/html.h"

#include <math.h>
#include <string.h>

static void put(FILE *out, unsigned char c) {
    switch (c) {
    case '<':
        fputs("&lt;", out);
        break;
    case '>':
        fputs("&gt;", out);
        break;
    case '&':
        fputs("&amp;", out);
        break;
    case '"':
        fputs("&quot;", out);
        break;
    case '\'':
        fputs("&#39;", out);
        break;
    default:
        fputc(c < 32 || c == 127 ? ' ' : c, out);
    }
}

void hawq_html_text(FILE *out, const char *text) {
    for (; *text; text++) put(out, (unsigned char)*text);
}

static int is_continued(unsigned char c) { /* of a character in UTF-8 */
    return (c & 0xC0) == 0x80;
}

void hawq_html_short(FILE *out, const char *text, int n) {
    int length = 0;
    for (const char *p = text; *p; p++)
        length += !is_continued((unsigned char)*p);
    int keep = length > n ? n - 1 : n;
    for (const char *p = text; *p; p++) {
        if (!is_continued((unsigned char)*p) && keep-- <= 0) break;
        put(out, (unsigned char)*p);
    }
    if (length > n) fputs("&#8230;", out);
}

static const char *scaled(double x, double unit, const char *const *name,
                          char text[32]) {
    int i = 0;
    for (; i < 3 && fabs(x) >= unit; i++) x /= unit;
    snprintf(text, 32, fabs(x) < 10 && i ? "%.2f%s" : "%.4g%s", x, name[i]);
    return text;
}

const char *hawq_html_bytes(double bytes, char text[32]) {
    static const char *const name[] = {" bytes", " KiB", " MiB", " GiB"};
    return scaled(bytes, 1024, name, text);
}

const char *hawq_html_count(double count, char text[32]) {
    static const char *const name[] = {"", "k", "M", "G"};
    return scaled(count, 1000, name, text);
}

/* Colours are variables, so that figures follow the dark. */
static const char style[] =
    ":root{--bg:#fff;--fg:#1c2430;--soft:#566072;--line:#d5dae2;--card:#f6f8fb;"
    "--a:#1a5fb4;--b:#b3470e;--c:#1b7a3d;--d:#8a3a9c;--e:#6b5b00}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#12161d;--fg:#e6eaf0;"
    "--soft:#a5afbf;--line:#394250;--card:#1b212b;--a:#7db4ff;--b:#ff9d66;"
    "--c:#6fd08c;--d:#d79bea;--e:#d9c65c}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0 auto;max-width:72rem;padding:1rem;background:var(--bg);"
    "color:var(--fg);font:16px/1.5 system-ui,sans-serif}\n"
    "h1{font-size:1.5rem;margin:.5rem 0;overflow-wrap:anywhere}"
    "h2{font-size:1.15rem;margin:2rem 0 .5rem}"
    "p{margin:.5rem 0;max-width:46rem;overflow-wrap:anywhere}\n"
    ".sum{background:var(--card);border-left:4px solid var(--a);"
    "padding:.6rem 1rem;border-radius:4px}\n"
    ".note{color:var(--soft);font-size:.9rem}\n"
    ".figs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,"
    "21rem),1fr));gap:1rem}\n"
    "figure{margin:0;padding:.6rem;background:var(--card);border-radius:6px;"
    "min-width:0}figcaption{font-size:.9rem;margin-bottom:.3rem}\n"
    "svg{display:block;width:100%;height:auto}\n"
    "svg text{fill:var(--fg);font:11px system-ui,sans-serif}"
    "svg .k{paint-order:stroke;stroke:var(--card);stroke-width:3px}"
    "svg .s{fill:var(--soft)}svg .g{stroke:var(--line);fill:none}\n"
    ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:.8rem;"
    "font-variant-numeric:tabular-nums}th,td{padding:.25rem .45rem;"
    "text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}"
    "th:first-child,td:first-child,.l{text-align:left}\n"
    "th{color:var(--soft);font-weight:600;white-space:normal;vertical-align:"
    "bottom}\n"
    "@media print{body{max-width:none}figure{break-inside:avoid}}\n";

void hawq_html_begin(FILE *out, const char *title) {
    fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
          "charset=\"utf-8\">\n<meta name=\"viewport\" "
          "content=\"width=device-width,initial-scale=1\">\n<meta "
          "name=\"color-scheme\" content=\"light dark\">\n<link rel=\"icon\" "
          "href=\"data:,\">\n<title>",
          out);
    hawq_html_text(out, title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
}

void hawq_html_end(FILE *out) {
    fputs("</body>\n</html>\n", out);
}
