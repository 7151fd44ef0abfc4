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
