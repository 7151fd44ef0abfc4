/* search_score.c -- an allocation made elsewhere, scored like our own.
 * SPDX-License-Identifier: GPL-3.0-or-later */
#include "search/import.h"
#include "src/cli/search/search_command.h"

#include <math.h>
#include <string.h>

static hawq_status read_choices(hawq_search *s) {
    hawq_import        import;
    hawq_import_layer *layer;
    hawq_import_match  match;
    HAWQ_TRY(hawq_import_read(s->score_path, &s->cli->arena, &import));
    HAWQ_TAKE(layer, &s->cli->arena, (size_t)s->n_layers);
    HAWQ_TAKE(s->imported, &s->cli->arena, (size_t)s->n_layers);
    for (int l = 0; l < s->n_layers; l++)
        layer[l] = (hawq_import_layer){
            s->layer[l].name,      s->layer[l].weight,    s->layer[l].input,
            s->layer[l].node[0],   s->layer[l].output[0], s->layer[l].op,
            s->layer[l].dimensions};
    if (hawq_import_apply(&import, s->n_layers, layer, 8, &s->cli->arena,
                          s->imported, &match) != HAWQ_OK)
        return hawq_prefix("%s: ", s->score_path);
    hawq_cli_note(s->cli, "%s read as %s", s->score_path, import.format);
    if (import.n_rounded)
        hawq_cli_note(s->cli,
                      "%d of its %d means are not whole: each layer gets the "
                      "nearest width, halves down (a layer has one width "
                      "here); the mean of the layers goes from %.4g to %.4g "
                      "bits",
                      import.n_rounded, import.n, import.mean_given,
                      import.mean_taken);
    if (match.by_order)
        hawq_cli_note(s->cli, "it has no names: its widths are taken in the "
                              "order of the layers");
    if (match.prefix)
        hawq_cli_note(s->cli,
                      "no name in it is a layer's as it stands; all are behind "
                      "the prefix '%s'%s",
                      match.prefix,
                      match.of_layers ? " of the model's own names" : "");
    return HAWQ_OK;
}

/* The candidates are the file's and, for the comparison with the optimum, all
 * that was analysed. */
hawq_status hawq_search_import(hawq_search *s) {
    HAWQ_TRY(read_choices(s));
    s->n_widths = 0;
    HAWQ_TRY(hawq_search_resolve(s));
    const hawq_width *all = s->width;
    HAWQ_TAKE(s->width, &s->cli->arena, (size_t)(s->n_layers + s->n_widths));
    memcpy(s->width, all, (size_t)s->n_widths * sizeof *all);
    for (int l = 0; l < s->n_layers; l++) {
        hawq_choice *c = &s->imported[l];
        HAWQ_TRY(hawq_search_resolve_choice(s, c));
        hawq_width w = {c->weight_bits, c->activation_bits, c->candidate};
        bool       known = false;
        for (int i = 0; i < s->n_widths; i++)
            known |= hawq_search_same_width(&s->width[i], &w);
        if (!known) s->width[s->n_widths++] = w;
    }
    return HAWQ_OK;
}

/* The candidate of each group that the file names: no layers are tied. */
static hawq_status find_choice(const hawq_search *s, int **out) {
    const hawq_problem *p = s->problem;
    HAWQ_TAKE(*out, &s->cli->arena, (size_t)p->n_groups);
    for (int l = 0; l < p->n_layers; l++) {
        int g = p->layer[l].in_group;
        for (int c = 0; c < p->group[g].n_candidates; c++) {
            const hawq_choice *of = &s->imported[l];
            hawq_width         w = {of->weight_bits, of->activation_bits,
                                    of->candidate};
            if (hawq_search_is_width(hawq_problem_candidate(p, l, c), &w))
                (*out)[g] = c;
        }
    }
    return HAWQ_OK;
}

static const hawq_solver imported = {.name = "imported"};

hawq_status hawq_search_score(hawq_search *s, hawq_solution *out) {
    int          *choice;
    hawq_solution best;
    hawq_problem *p = s->problem;
    int           kind = hawq_problem_find_kind(p, "weight-size");
    HAWQ_TRY(find_choice(s, &choice));
    double bytes = hawq_problem_sum(p, kind, choice);
    HAWQ_TRY(hawq_problem_budget(p, "weight-size", bytes));
    HAWQ_TRY(hawq_solve(p, NULL, NULL, &s->cli->arena, &best));
    hawq_problem_clear_budgets(p);
    *out = (hawq_solution){.state = HAWQ_FOUND_FEASIBLE,
                           .solver = &imported,
                           .objective = hawq_problem_sum(p, -1, choice),
                           .bound = best.bound,
                           .choice = choice};
    double scale = fmax(fabs(out->objective), fabs(out->bound));
    if (out->objective > out->bound)
        out->gap = (out->objective - out->bound) / scale;
    if (best.choice)
        hawq_cli_note(s->cli,
                      "the best allocation of no more than these %.0f bytes "
                      "has a predicted loss of %.6g, this one %.6g",
                      bytes, best.objective, out->objective);
    return HAWQ_OK;
}
