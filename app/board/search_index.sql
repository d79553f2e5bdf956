-- One row a lead. `ids` and `more` are its words, with a space before each; c0, c1, … are added, one a column.
CREATE TABLE leads (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    version INTEGER NOT NULL,  -- a hash of the state in the shard
    seen INTEGER NOT NULL,     -- ms since the epoch
    mail TEXT,
    ids TEXT NOT NULL,
    more TEXT NOT NULL
);
CREATE INDEX by_mail ON leads (mail) WHERE mail IS NOT NULL;
CREATE INDEX by_seen ON leads (seen);

-- The places of leads in the rankings of the scorecards that apply to them.
CREATE TABLE places (
    row INTEGER NOT NULL,
    card TEXT NOT NULL,
    place REAL NOT NULL,
    stage TEXT,
    entered INTEGER,           -- ms since the epoch, of this stage
    PRIMARY KEY (row, card)
) WITHOUT ROWID;
CREATE INDEX by_place ON places (card, place);
CREATE INDEX by_stage ON places (card, stage) WHERE stage IS NOT NULL;
CREATE INDEX by_entered ON places (card, entered) WHERE entered IS NOT NULL;

-- Words are folded before they get here. Without `columnsize` and positions, as nothing ranks by relevance.
CREATE VIRTUAL TABLE words USING fts5 (
    ids, more, content = 'leads', content_rowid = 'row', tokenize = 'unicode61', prefix = '2 3 5', detail = column, columnsize = 0
);
