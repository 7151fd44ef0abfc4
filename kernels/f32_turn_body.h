/* f32_turn_body.h -- transposition: what lies image by image, channels
 * innermost, and back. Part of f32_body.h.
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */

/* Rows of a square block become its columns: log2 LANES rotations of the
 * address bits. */
INLINE void transpose(vec *a) {
    vec b[LANES];
    for (int step = 1; step < LANES; step *= 2) {
        for (int i = 0; i < LANES / 2; i++) {
            b[2 * i] = zip_low(a[i], a[i + LANES / 2]);
            b[2 * i + 1] = zip_high(a[i], a[i + LANES / 2]);
        }
        for (int i = 0; i < LANES; i++) a[i] = b[i];
    }
}

/* to[i * to_pitch + r] = from[r * pitch + i], r < rows <= LANES, i < n <=
 * LANES, and zeros from `rows` on, a vector in all; or += and no more than
 * that. */
INLINE void tile(const float *from, size_t pitch, size_t rows, size_t n,
                 float *to, size_t to_pitch, const bool add) {
    vec a[LANES];
    for (size_t r = 0; r < LANES; r++)
        a[r] = r < rows ? load_some(from + r * pitch, n) : (vec){0};
    transpose(a);
    for (size_t i = 0; i < n; i++)
        if (add)
            store_some(to + i * to_pitch,
                       load_some(to + i * to_pitch, rows) + a[i], rows);
        else
            store(to + i * to_pitch, a[i]);
}

/* LANES channels, `rows` of them there, of `pixels` each and `channel` apart:
 * channels innermost, of `width` in all. */
static void turn_in(const float *y, size_t channel, size_t pixels, size_t rows,
                    float *to, size_t width) {
    for (size_t p = 0; p < pixels; p += LANES)
        tile(y + p, channel, rows, at_most(pixels - p, LANES), to + p * width,
             width, false);
}

/* w [rows][k] += from [k][width] */
static void turn_out(const float *from, size_t width, size_t k, size_t rows,
                     float *w) {
    for (size_t i = 0; i < k; i += LANES)
        tile(from + i * width, width, at_most(k - i, LANES), rows, w + i, k,
             true);
}
