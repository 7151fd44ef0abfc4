/* tiled_body.h -- the convolution slots of a table that runs on the shared
 * driver. Included by the file of an instruction set after it has defined its
 * hawq_tiled `isa`; a template, not a header of its own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
static size_t conv_packed_bytes(const hawq_conv *v) {
    return hawq_tiled_packed_bytes(&isa, v);
}

static void conv_pack(const hawq_conv *v, const int8_t *weights, void *packed) {
    hawq_tiled_pack(&isa, v, weights, packed);
}

static size_t conv_scratch_bytes(const hawq_conv *v) {
    return hawq_tiled_scratch_bytes(&isa, v);
}

static void conv(const hawq_conv *v, const void *packed, const hawq_requant *q,
                 const uint8_t *x, uint8_t *y, void *scratch) {
    hawq_tiled_conv(&isa, v, packed, q, q->bias, x, y, scratch);
}

static void conv_s32(const hawq_conv *v, const void *packed,
                     const int32_t *bias, const uint8_t *x, int32_t *y,
                     void *scratch) {
    hawq_tiled_conv(&isa, v, packed, NULL, bias, x, y, scratch);
}

static const char *conv_name(const hawq_conv *v) {
    return hawq_tiled_name(&isa, v);
}
