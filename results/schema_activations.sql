-- schema_activations.sql -- what narrow activations cost.
--
-- SPDX-License-Identifier: GPL-3.0-or-later

-- A tensor that layers read, in the order of the first of them. range: how the
-- interval was chosen that its values were rounded in.
CREATE TABLE activation (
    run_id     INTEGER NOT NULL REFERENCES run ON DELETE CASCADE,
    activation INTEGER NOT NULL,
    name       TEXT NOT NULL,
    range      TEXT NOT NULL,
    PRIMARY KEY (run_id, activation)
) STRICT, WITHOUT ROWID;

CREATE TABLE activation_reader (
    run_id     INTEGER NOT NULL,
    activation INTEGER NOT NULL,
    layer      INTEGER NOT NULL,
    PRIMARY KEY (run_id, activation, layer),
    FOREIGN KEY (run_id, activation) REFERENCES activation ON DELETE CASCADE,
    FOREIGN KEY (run_id, layer) REFERENCES layer ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- value: the measured rise of the loss with only this tensor rounded.
CREATE TABLE activation_rise (
    run_id         INTEGER NOT NULL,
    activation     INTEGER NOT NULL,
    bits           INTEGER NOT NULL,
    value          REAL NOT NULL,
    standard_error REAL NOT NULL,
    PRIMARY KEY (run_id, activation, bits),
    FOREIGN KEY (run_id, activation) REFERENCES activation ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

-- From the newest complete analysis of each model and loss that measured
-- activations. layers: names of those that read the tensor, a JSON array.
CREATE VIEW activation_sensitivity AS
SELECT run.id AS run_id, run.model_path AS model, run.loss, activation,
       activation.name, activation.range,
       (SELECT json_group_array(layer.name) FROM activation_reader AS reader
        JOIN layer USING (run_id, layer)
        WHERE reader.run_id = run.id
          AND reader.activation = activation.activation) AS layers,
       bits, value AS sensitivity, standard_error
FROM activation_rise
JOIN activation USING (run_id, activation)
JOIN run ON run.id = activation_rise.run_id
WHERE run.id = (
    SELECT max(r.id) FROM run AS r
    WHERE r.state = 'complete' AND r.model_hash = run.model_hash
      AND r.loss = run.loss AND EXISTS (
        SELECT * FROM activation_rise AS a WHERE a.run_id = r.id))
ORDER BY run.id, activation, bits DESC;
