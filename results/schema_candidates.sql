-- schema_candidates.sql -- version 4: a layer is quantized as a candidate says,
-- a format and how its codes are chosen: 'w4', 'w2c:gptq', 'k3+0.5%'. The bits
-- of a code stay beside it. What was stored before was rounded to the nearest
-- point of a narrow grid, in the range that its analysis names.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

DROP VIEW IF EXISTS pareto_front;
DROP VIEW IF EXISTS layer_sensitivity;
DROP VIEW IF EXISTS allocation_layers;
DROP VIEW IF EXISTS latency_table;

CREATE TABLE sensitivity_by_candidate (
    run_id         INTEGER NOT NULL,
    metric         TEXT NOT NULL,
    layer          INTEGER NOT NULL,
    candidate      TEXT NOT NULL,
    bits           INTEGER NOT NULL,
    value          REAL NOT NULL,
    standard_error REAL NOT NULL,
    PRIMARY KEY (run_id, metric, layer, candidate),
    FOREIGN KEY (run_id, layer) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO sensitivity_by_candidate
SELECT run_id, metric, layer,
       'w' || bits || CASE weight_range WHEN 'mse' THEN ':mse'
                      WHEN 'percentile' THEN ':percentile' ELSE '' END,
       bits, value, standard_error
FROM sensitivity JOIN run ON run.id = run_id;
DROP TABLE sensitivity;
ALTER TABLE sensitivity_by_candidate RENAME TO sensitivity;

-- Readings of a candidate's rise are stored under 'trace@w4'.
UPDATE sample SET metric = replace(metric, '@', '@w')
       || (SELECT CASE weight_range WHEN 'mse' THEN ':mse'
                  WHEN 'percentile' THEN ':percentile' ELSE '' END
           FROM run WHERE run.id = run_id)
WHERE instr(metric, '@');

CREATE TABLE interaction_by_candidate (
    run_id      INTEGER NOT NULL,
    layer_i     INTEGER NOT NULL,
    candidate_i TEXT NOT NULL,
    bits_i      INTEGER NOT NULL,
    layer_j     INTEGER NOT NULL,
    candidate_j TEXT NOT NULL,
    bits_j      INTEGER NOT NULL,
    value       REAL NOT NULL,
    PRIMARY KEY (run_id, layer_i, candidate_i, layer_j, candidate_j),
    CHECK (layer_i < layer_j),
    FOREIGN KEY (run_id, layer_i) REFERENCES layer ON DELETE CASCADE,
    FOREIGN KEY (run_id, layer_j) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
INSERT INTO interaction_by_candidate
SELECT run_id, layer_i, 'w' || bits_i || method, bits_i,
       layer_j, 'w' || bits_j || method, bits_j, value
FROM interaction JOIN (
    SELECT id, CASE weight_range WHEN 'mse' THEN ':mse'
               WHEN 'percentile' THEN ':percentile' ELSE '' END AS method
    FROM run) ON id = run_id;
DROP TABLE interaction;
ALTER TABLE interaction_by_candidate RENAME TO interaction;

ALTER TABLE allocation_layer ADD COLUMN candidate TEXT NOT NULL DEFAULT '';
UPDATE allocation_layer
SET candidate = CASE weight_bits WHEN 32 THEN 'float' ELSE 'w' || weight_bits ||
    ifnull((SELECT CASE weight_range WHEN 'mse' THEN ':mse'
                   WHEN 'percentile' THEN ':percentile' END
            FROM allocation JOIN run ON run.id = analysis_run_id
            WHERE allocation.id = allocation_id), '') END;

-- A time depends on the format of the weights, 'w4g64'.
ALTER TABLE benchmark_layer ADD COLUMN format TEXT NOT NULL DEFAULT '';
UPDATE benchmark_layer
SET format = CASE weight_bits WHEN 32 THEN 'float'
                ELSE 'w' || weight_bits END;

-- candidates: one text a layer, a JSON array.
ALTER TABLE front_point ADD COLUMN candidates TEXT NOT NULL DEFAULT '[]';
UPDATE front_point
SET candidates = (SELECT json_group_array(CASE value WHEN 32 THEN 'float'
                                          ELSE 'w' || value END)
                  FROM json_each(weight_bits));

-- A layer quantized by an analysis or, with the layers before it in mind, for
-- an allocation: one of the two is there. codes: the very codes, as bytes with a
-- hash; NULL where they are a function of weights and candidate alone. errors:
-- E[(dw'u)^2] of the layer's outputs, rounded to nearest and as it is.
CREATE TABLE quantized (
    run_id        INTEGER REFERENCES run ON DELETE CASCADE,
    allocation_id INTEGER REFERENCES allocation ON DELETE CASCADE,
    layer         INTEGER NOT NULL,
    candidate     TEXT NOT NULL,
    bytes         INTEGER NOT NULL,
    stored_bits   REAL NOT NULL,
    seconds       REAL NOT NULL,
    error_before  REAL,
    error_after   REAL,
    codes         BLOB,
    CHECK ((run_id IS NULL) + (allocation_id IS NULL) = 1)
) STRICT;
CREATE UNIQUE INDEX quantized_by_run ON quantized (run_id, layer, candidate)
WHERE run_id IS NOT NULL;
CREATE UNIQUE INDEX quantized_by_allocation ON quantized (allocation_id, layer)
WHERE allocation_id IS NOT NULL;
