-- schema.sql -- version 1 of the results database.
--
-- Tables hold what was put, one row a fact, and are free to change; the views
-- of views.sql are what users query, and their names and columns stay. A column
-- says its unit; losses are in the loss's own unit (nats for cross-entropy),
-- sensitivities in the same, traces in loss per weight squared. Ids are never
-- used again. NULL means not known, never zero.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

-- One start of a program. state: 'running' until finished; a run that was
-- killed stays so and can be resumed. seed: 64 bits, in two's complement.
CREATE TABLE run (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    program     TEXT NOT NULL,
    version     TEXT NOT NULL,
    command     TEXT NOT NULL,
    model_path  TEXT NOT NULL,
    model_hash  TEXT NOT NULL,
    data        TEXT NOT NULL,
    loss        TEXT NOT NULL,
    seed        INTEGER NOT NULL,
    sampling    TEXT NOT NULL,
    weight_range TEXT NOT NULL,
    threads     INTEGER NOT NULL,
    host        TEXT NOT NULL,
    provider    TEXT NOT NULL,
    started     TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    finished    TEXT,
    state       TEXT NOT NULL DEFAULT 'running'
                CHECK (state IN ('running', 'complete'))
) STRICT;
CREATE INDEX run_by_model ON run (model_hash, program, id);

CREATE TABLE layer (
    run_id         INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    layer          INTEGER NOT NULL,
    name           TEXT NOT NULL,
    op             TEXT NOT NULL,
    params         INTEGER NOT NULL,
    macs_per_image INTEGER NOT NULL,
    channels       INTEGER NOT NULL,
    group_name     TEXT NOT NULL,
    PRIMARY KEY (run_id, layer)
) STRICT, WITHOUT ROWID;

-- value: the unbiased reading; probe_scale: what the probe was multiplied by.
CREATE TABLE sample (
    run_id      INTEGER NOT NULL,
    metric      TEXT NOT NULL,
    sample      INTEGER NOT NULL,
    layer       INTEGER NOT NULL,
    value       REAL NOT NULL,
    probe_scale REAL NOT NULL,
    PRIMARY KEY (run_id, metric, sample, layer),
    FOREIGN KEY (run_id, layer) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- low, high: the 95 % interval of the mean (Student t, n_samples readings).
CREATE TABLE estimate (
    run_id         INTEGER NOT NULL,
    metric         TEXT NOT NULL,
    layer          INTEGER NOT NULL,
    mean           REAL NOT NULL,
    standard_error REAL,
    low            REAL,
    high           REAL,
    n_samples      INTEGER NOT NULL,
    PRIMARY KEY (run_id, metric, layer),
    FOREIGN KEY (run_id, layer) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE sensitivity (
    run_id         INTEGER NOT NULL,
    metric         TEXT NOT NULL,
    layer          INTEGER NOT NULL,
    bits           INTEGER NOT NULL,
    value          REAL NOT NULL,
    standard_error REAL NOT NULL,
    PRIMARY KEY (run_id, metric, layer, bits),
    FOREIGN KEY (run_id, layer) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- The cross term of two layers, i before j.
CREATE TABLE interaction (
    run_id  INTEGER NOT NULL,
    layer_i INTEGER NOT NULL,
    bits_i  INTEGER NOT NULL,
    layer_j INTEGER NOT NULL,
    bits_j  INTEGER NOT NULL,
    value   REAL NOT NULL,
    PRIMARY KEY (run_id, layer_i, bits_i, layer_j, bits_j),
    CHECK (layer_i < layer_j),
    FOREIGN KEY (run_id, layer_i) REFERENCES layer ON DELETE CASCADE,
    FOREIGN KEY (run_id, layer_j) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE allocation (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    analysis_run_id INTEGER REFERENCES run ON DELETE SET NULL,
    solver          TEXT NOT NULL,
    metric          TEXT NOT NULL,
    state           TEXT NOT NULL CHECK (
                    state IN ('optimal', 'feasible', 'infeasible', 'limit')),
    objective       REAL,
    bound           REAL,
    weight_bytes    INTEGER NOT NULL,
    bops            INTEGER NOT NULL,
    mean_bits       REAL,
    latency_us      REAL
) STRICT;
CREATE INDEX allocation_by_run ON allocation (run_id);

CREATE TABLE allocation_layer (
    allocation_id   INTEGER NOT NULL REFERENCES allocation ON DELETE CASCADE,
    layer           INTEGER NOT NULL,
    name            TEXT NOT NULL,
    weight_bits     INTEGER NOT NULL,
    activation_bits INTEGER NOT NULL,
    PRIMARY KEY (allocation_id, layer)
) STRICT, WITHOUT ROWID;

-- limit_value and used are in the unit of the kind (bytes, BOPS, bits, us).
CREATE TABLE allocation_budget (
    allocation_id INTEGER NOT NULL REFERENCES allocation ON DELETE CASCADE,
    kind          TEXT NOT NULL,
    limit_value   REAL NOT NULL,
    used          REAL,
    binding       INTEGER NOT NULL CHECK (binding IN (0, 1)),
    PRIMARY KEY (allocation_id, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE front (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id          INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    analysis_run_id INTEGER REFERENCES run ON DELETE SET NULL,
    cost_kind       TEXT NOT NULL,
    solver          TEXT NOT NULL,
    metric          TEXT NOT NULL,
    UNIQUE (run_id, cost_kind)
) STRICT;

-- weight_bits: one number a layer, a JSON array for json_each().
CREATE TABLE front_point (
    front_id    INTEGER NOT NULL REFERENCES front ON DELETE CASCADE,
    point       INTEGER NOT NULL,
    cost        REAL NOT NULL,
    objective   REAL NOT NULL,
    mean_bits   REAL,
    weight_bits TEXT NOT NULL,
    PRIMARY KEY (front_id, point)
) STRICT, WITHOUT ROWID;

CREATE TABLE benchmark (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    run_id              INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    allocation_id       INTEGER REFERENCES allocation ON DELETE SET NULL,
    label               TEXT NOT NULL,
    device              TEXT NOT NULL,
    kernels             TEXT NOT NULL,
    batch_size          INTEGER NOT NULL,
    threads             INTEGER NOT NULL,
    repeats             INTEGER NOT NULL,
    samples             INTEGER NOT NULL,
    accuracy            REAL,
    loss                REAL,
    float_accuracy      REAL,
    float_loss          REAL,
    agreement           REAL,
    weight_bytes        INTEGER NOT NULL,
    file_bytes          INTEGER NOT NULL,
    latency_us          REAL,
    latency_spread_us   REAL,
    speedup_vs_float    REAL,
    speedup_vs_uniform8 REAL,
    bit_exact           INTEGER NOT NULL CHECK (bit_exact IN (0, 1))
) STRICT;
CREATE INDEX benchmark_by_run ON benchmark (run_id);

CREATE TABLE benchmark_layer (
    benchmark_id    INTEGER NOT NULL REFERENCES benchmark ON DELETE CASCADE,
    layer           INTEGER NOT NULL,
    name            TEXT NOT NULL,
    weight_bits     INTEGER NOT NULL,
    activation_bits INTEGER NOT NULL,
    kernel          TEXT NOT NULL,
    latency_us      REAL,
    PRIMARY KEY (benchmark_id, layer)
) STRICT, WITHOUT ROWID;
