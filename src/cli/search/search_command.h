/* search_command.h -- the parts of hawq-search. What to solve comes from
 * search_input.c with search_model.c (the network), search_widths.c
 * (candidates, groups, pins) with search_candidates.c (their names),
 * search_analysis.c (which analysis), search_activations.c (what narrow ones
 * cost), search_latency.c (times) and search_budgets.c; what is said about it
 * from search_answers.c, search_confidence.c, search_report.c and
 * search_front.c; what is measured of it from search_joint.c; what is stored
 * from search_record.c, which files are written
 * and where from search_outputs.c and search_export.c.
 *
 *     hawq_search_widths; hawq_search_load; hawq_search_constrain; then solve
 *     or front; hawq_search_report_x, hawq_search_store_x; hawq_search_close
 *
 * SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef HAWQ_SEARCH_COMMAND_H
#define HAWQ_SEARCH_COMMAND_H
#include "results/store.h"
#include "search/pareto.h"
#include "search/records.h"
#include "search/solve.h"
#include "src/cli/kit/cli.h"
#include "src/cli/kit/latency.h"
#include "src/cli/kit/output.h"
#include "src/graph/graph.h"

/* A layer of the model by its names: layer, weight tensor, input tensor. */
typedef struct hawq_search_layer {
    const char  *name, *input, *op;
    const char  *weight;     /* as the file calls it, or NULL: see unnamed */
    const char  *unnamed;    /* why it is no constant of the file, a sentence */
    int          dimensions; /* of the weight tensor */
    int          axis;       /* of the output channels in that constant */
    int          channels;   /* of the outputs */
    int          groups;     /* of a convolution's channels, or 1 */
    int          n_nodes;
    const char **node;   /* their names: more than one with a shared weight */
    const char **output; /* of each, the name of the tensor that it computes */
} hawq_search_layer;

/* Layers whose inputs are one quantized tensor or buffer. */
typedef struct hawq_search_group {
    int         n, *layer;
    const char *reason;
} hawq_search_group;

/* The times of a search, and where they are from. */
typedef struct hawq_search_times {
    hawq_latency_key key;
    hawq_latency     table;
    int              measured; /* times of layers that were not known before */
    int              n_widths; /* of all candidates, 8 bits first */
    hawq_width      *width;
    double          *uniform_us; /* [width]: of the uniform network */
} hawq_search_times;

/* An allocation, measured with all its layers quantized: see search_joint.c. */
typedef struct hawq_joint {
    const char   *label; /* "optimum", "at 0.95 of its weight-size" */
    double        weight_bytes, kl, agreement;
    hawq_solution solution;
} hawq_joint;

typedef struct hawq_search {
    hawq_cli   *cli;
    hawq_texts  budgets, pins, groups, ungroups; /* as on the command line */
    const char *problem_path;              /* --problem, or NULL: a model */
    const char *score_path;                /* --score, or NULL */
    const char *metric, *device, *kernels; /* kernels may be NULL */
    const char *front_kind;                /* --pareto, or NULL */
    bool        any_metric; /* another will do if it was not analysed */
    int         wanted;     /* --analysis; 0: the newest */
    int         batch_size, repeats; /* of measured times */
    int         first_last;  /* bits of the first and the last layer; 0: any */
    bool        weight_only; /* activations stay in float */
    bool        ignore_activation_loss;
    bool        floats_are_pinned; /* float is no candidate but of pins */
    bool        peak_binds;        /* a layer is not in float for its sake */

    int         n_widths; /* 0: the candidates of the analysis */
    hawq_width *width;

    int                n_layers, n_groups; /* of the model */
    hawq_search_layer *layer;
    hawq_search_group *group;
    char               hash[HAWQ_HASH_TEXT];
    const char        *image; /* name of the input tensor */
    int64_t rest_bytes; /* of weights that no layer has; in the costs of the
                           first layer */

    hawq_problem            *problem;
    hawq_store              *store;    /* NULL with a problem file */
    int64_t                  analysis; /* run the sensitivities are of; or 0 */
    hawq_run_record          run;      /* its record */
    const char              *others;   /* analyses that differ; "" if none */
    int                      n_estimates; /* of the metric; 0: not sampled */
    const hawq_estimate     *estimate;    /* [layer] */
    const char              *loss; /* name of its loss, unit of the objective */
    int                      n_sensitivities;
    hawq_sensitivity_record *sensitivity;
    int                      n_activations; /* 0: not in the loss */
    hawq_activation_record  *activation;    /* the first layer of each pays */
    hawq_choice             *imported;      /* [layer] with --score */
    hawq_search_times       *times;         /* NULL: no latency is asked for */
    double *float_peak; /* [layer] as activation_peak, with it in float, too */
    double  least_peak; /* where no layer is in float that need not be */
    double  activation_peak, peak_limit; /* bytes; a limit < 0: none */
    double  front_gap;                   /* of a front where layers interact */
    double  drop_limit; /* largest predicted loss rise; negative: none */
    int     n_joint, joint_kept; /* 0: nothing was measured */
    hawq_joint *joint;
    int64_t     joint_images; /* that it was measured on, ... */
    int64_t     joint_first;  /* ... from this one of --data on */
} hawq_search;

/* Layers in float32: search_floats.c. add: a candidate for those pinned to
 * it where --bits does not list it, once the sensitivities are there. limit:
 * after finish, takes it from all who may not. */
HAWQ_NODISCARD hawq_status hawq_search_add_floats(hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_limit_floats(hawq_search *s);
/* Is float a candidate of any layer? Is candidate c of the layer's group one
 * with it in float? Do the pins leave it nothing else? */
bool hawq_search_has_floats(const hawq_search *s);
bool hawq_search_is_float(const hawq_search *s, int layer, int c);
bool hawq_search_must_float(const hawq_search *s, int layer);
/* From now on the layer is not in float. */
HAWQ_NODISCARD hawq_status hawq_search_forbid_float(hawq_search *s, int layer);

/* The budget on activation-peak: search_peak.c. find: activation_peak of the
 * network in integers. limit: forbids float to layers that alone exceed the
 * budget. fit: the best allocation within it, from the best without. */
HAWQ_NODISCARD hawq_status hawq_search_find_peak(hawq_search      *s,
                                                 const hawq_graph *graph);
HAWQ_NODISCARD hawq_status hawq_search_limit_peak(hawq_search *s);
HAWQ_NODISCARD hawq_status
hawq_search_fit_peak(hawq_search *s, const hawq_solver *solver,
                     const hawq_solve_options *limits, hawq_solution *found);
/* Does a pin ask for float? */
HAWQ_NODISCARD hawq_status hawq_search_pins_float(hawq_search *s, bool *out);

/* Have the two the same bits and candidate? Is it that of the width? */
bool hawq_search_same_width(const hawq_width *a, const hawq_width *b);
bool hawq_search_is_width(const hawq_priced *c, const hawq_width *w);

/* Once the sensitivities are there: width becomes what the analysis has of it,
 * or all; a format stands for what there is of it if there is no such
 * candidate, a number for all of so many bits. The same for one choice, whose
 * candidate is then known. EINVAL: there is none. */
HAWQ_NODISCARD hawq_status hawq_search_resolve(hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_resolve_choice(hawq_search *s,
                                                      hawq_choice *choice);

/* --bits: fills width. EINVAL. */
HAWQ_NODISCARD hawq_status hawq_search_widths(hawq_search *s, const char *text);
/* Reads the model: hash, layer, group. */
HAWQ_NODISCARD hawq_status hawq_search_model(hawq_search *s);
/* What can be said of budgets and pins before anything is read. */
HAWQ_NODISCARD hawq_status hawq_search_check_budgets(hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_check_pins(hawq_search *s);
/* Is there a --budget of this kind? */
bool hawq_search_has_budget(const hawq_search *s, const char *kind);
/* Do the budgets or the front ask for measured times? */
bool hawq_search_wants_latency(const hawq_search *s);
/* The times of the candidates' layers, from the database or measured now, and
 * of what they are (s->times). EINVAL: widths that no kernel runs. */
HAWQ_NODISCARD hawq_status hawq_search_latency(hawq_search *s, int n_layers,
                                               const hawq_layer_record *layer,
                                               int                     *n,
                                               hawq_layer_timing      **timing);
/* The measured spread of a kind of cost, in its unit; NAN if it has none. */
double hawq_search_spread(const hawq_search *s, const char *kind);
/* A latency with its spread and what it is of, where s->times is; the same as
 * an object; on stderr, what they are of where stdout does not say, what was
 * measured, and whether widths matter. */
void hawq_search_print_latency(const hawq_search *s, double us);
void hawq_search_json_latency(const hawq_search *s, hawq_json *w);
void hawq_search_note_latency(const hawq_search *s);
/* Do candidates differ in the bits of activations? */
bool hawq_search_activations_vary(const hawq_search *s);
bool hawq_search_is_ungrouped(const hawq_search *s, const char *layer);

/* Is there a width with activations below 8 bits? */
bool hawq_search_is_narrow(const hawq_search *s);
/* EINVAL: there is, and the metric is not in units of the loss. */
HAWQ_NODISCARD hawq_status hawq_search_check_activations(const hawq_search *s);
/* Has an analysis the rises that the widths of --bits need, if any? */
HAWQ_NODISCARD hawq_status hawq_search_has_rises(const hawq_search *s,
                                                 int64_t run, bool *out);
/* ESTATE: it has not; the sentence has the command that would measure them,
 * on the data of this run. */
HAWQ_NODISCARD hawq_status hawq_search_refuse_narrow(const hawq_search *s,
                                                     int64_t            run);
/* Adds the rises of the analysis, if it has those of all widths, to the
 * problem; fills activation. */
HAWQ_NODISCARD hawq_status hawq_search_add_activations(hawq_search *s);
/* What is in the loss of a layer's candidates for its input. */
double hawq_search_activation_loss(const hawq_search *s, int layer, int bits);
/* Of activation t in an allocation; NULL if it is not rounded. */
const hawq_rise *hawq_search_rise(const hawq_search   *s,
                                  const hawq_solution *solution, int t);
/* On stderr: that they are in the loss, or that they are not. */
void hawq_search_note_activations(const hawq_search *s);

/* The constraints, into the problem. */
HAWQ_NODISCARD hawq_status hawq_search_tie_and_pin(hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_add_budgets(hawq_search *s);

/* What an allocation costs; NAN where the problem does not tell. */
typedef struct hawq_totals {
    double weight_bytes, bops, latency_us, mean_bits;
} hawq_totals;

/* analysis, run, loss, estimate and others; ESTATE: there is none, EINVAL: not
 * the wanted one. */
HAWQ_NODISCARD hawq_status hawq_search_find_analysis(hawq_search *s);
/* What it is: as lines of a table, and as keys of the open object. Nothing with
 * a problem file. */
void hawq_search_print_analysis(const hawq_search *s);
void hawq_search_json_analysis(const hawq_search *s, hawq_json *w);
/* On stderr: what it is where stdout does not say, which others there are, and
 * the layers whose loss is a confidence limit or not resolved. */
HAWQ_NODISCARD hawq_status hawq_search_note_analysis(const hawq_search *s);
/* On stderr, if the predicted loss is no larger than its own error. */
void hawq_search_note_noise(const hawq_search   *s,
                            const hawq_solution *solution);

/* The layers and candidates: from the problem file, or from the model and the
 * newest complete or wanted analysis of it in the database. */
HAWQ_NODISCARD hawq_status hawq_search_load(hawq_search *s);
/* Groups, pins and budgets of the command line; finishes the problem. */
HAWQ_NODISCARD hawq_status hawq_search_constrain(hawq_search *s);
void                       hawq_search_close(hawq_search *s);

void hawq_search_totals(const hawq_problem *problem, const int *choice,
                        hawq_totals *out);

/* Turns a limit on the predicted loss rise (drop_limit) into the least budget
 * on weight-size that allows it; *met = false if nothing does, and then *least
 * is the smallest rise there is. */
HAWQ_NODISCARD hawq_status hawq_search_apply_drop(hawq_search *s, bool *met,
                                                  double *least);
/* Is the budget on activation-peak, if there is one, at least what it is? */
bool hawq_search_peak_fits(const hawq_search *s);
/* Shows that budget as what was asked for, and the one on activation-peak. */
HAWQ_NODISCARD hawq_status hawq_search_show_budgets(hawq_search   *s,
                                                    double         least,
                                                    hawq_solution *solution);

/* --score: reads the file, sets the candidates; after model and sensitivities.
 * The solution is then the file's allocation; its bound is the optimum of no
 * more bytes. */
HAWQ_NODISCARD hawq_status hawq_search_import(hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_score(hawq_search   *s,
                                             hawq_solution *out);

/* A file to be written, and the option that names it. */
typedef struct hawq_search_output {
    const char *option, *path;
} hawq_search_output;

/* EINVAL: one is the model, the database, the problem, the file of --score, or
 * another output; EIO: it cannot be written. */
HAWQ_NODISCARD hawq_status hawq_search_check_outputs(
    hawq_search *s, int n, const hawq_search_output *output);

/* --export-as FORMAT=FILE; see search_export.c. check: *path is its file. */
HAWQ_NODISCARD hawq_status hawq_search_check_export(hawq_search *s,
                                                    const char  *text,
                                                    const char **path);
HAWQ_NODISCARD hawq_status hawq_search_export(hawq_search         *s,
                                              const hawq_solution *solution,
                                              const char          *text);

/* Where --data is given, measures the allocation and some along the front below
 * it with all layers quantized, and puts the best of them into its place.
 * print, json: what was measured, if anything was; note: that nothing was, or
 * that another was kept. */
HAWQ_NODISCARD hawq_status
hawq_search_measure(hawq_search *s, const hawq_solver *solver,
                    const hawq_solve_options *options, hawq_solution *found);
HAWQ_NODISCARD hawq_status hawq_search_print_joint(const hawq_search *s);
HAWQ_NODISCARD hawq_status hawq_search_json_joint(const hawq_search *s,
                                                  hawq_json         *w);
void                       hawq_search_note_joint(const hawq_search *s);
/* The choice of each layer, in the arena of the command. */
HAWQ_NODISCARD hawq_status hawq_search_choices(hawq_search         *s,
                                               const hawq_solution *solution,
                                               hawq_choice        **out);

/* Why the losses cannot tell layers apart: "all losses are 0", or "no loss
 * depends on the bits"; NULL if they can, or there is nothing to choose. */
const char *hawq_search_indifference(const hawq_search *s);
/* Layers that share their bits, what the loss leaves out, and whether it says
 * anything at all; on stderr. */
void hawq_search_note_problem(const hawq_search *s);
/* Into the database, where there is one: a run with the allocation or the
 * front; nothing is left of it on failure. Last of all, when what was found is
 * on stdout and in its files: what the user has not seen is not stored. */
HAWQ_NODISCARD hawq_status hawq_search_store(hawq_search         *s,
                                             const hawq_solution *solution);
HAWQ_NODISCARD hawq_status hawq_search_store_front(hawq_search       *s,
                                                   const hawq_pareto *front);

#endif
