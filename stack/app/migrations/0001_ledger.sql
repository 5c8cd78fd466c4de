-- Accounts, transfers, and the one function through which money moves.

CREATE TABLE accounts (
    id              bigint PRIMARY KEY,
    balance         bigint NOT NULL CHECK (balance >= 0),
    version         bigint NOT NULL DEFAULT 0,      -- how many transfers have touched this account
    opening_balance bigint NOT NULL
) WITH (fillfactor = 70);                           -- room for HOT updates: no index is written when a balance changes

CREATE TABLE transfers (
    id             uuid PRIMARY KEY,                -- chosen by the client: high 64 bits the run, low 64 bits the number
    source         bigint NOT NULL REFERENCES accounts,
    target         bigint NOT NULL REFERENCES accounts,
    amount         bigint NOT NULL CHECK (amount > 0),
    source_version bigint NOT NULL,                 -- as answered the first time, so that a replay is answered alike
    target_version bigint NOT NULL,
    applied_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (source <> target)
);

-- It rises with every promotion. In recovery it is an error, and rightly: a replica acknowledges nothing.
CREATE FUNCTION timeline() RETURNS integer LANGUAGE sql VOLATILE AS $$
    SELECT ('x' || left(pg_walfile_name(pg_current_wal_insert_lsn()), 8))::bit(32)::integer
$$;

-- Move money once. `verdict` is one of: applied, known (applied before, same content), conflict (applied before, other
-- content), unknown account, insufficient funds.
--
-- The accounts are locked first and in the order of their ids, so transfers cannot deadlock. The same transfer sent
-- twice at once has the same accounts: the second waits for the first and then finds it. The same id with other
-- accounts meets at the primary key: INSERT waits there for the first to end, and the loop then reads it. Taking the
-- lock writes WAL, so the commit of a replay waits for the synchronous replica too: a first attempt whose own wait was
-- cancelled is never confirmed on the word of one machine.
CREATE FUNCTION transfer(
    p_id uuid, p_source bigint, p_target bigint, p_amount bigint,
    OUT verdict text, OUT source_version bigint, OUT target_version bigint, OUT timeline integer
) LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    known     transfers;
    locked    integer := 0;
    available bigint;
    account   record;
BEGIN
    FOR account IN
        SELECT a.id, a.balance, a.version FROM accounts a WHERE a.id IN (p_source, p_target) ORDER BY a.id
        FOR NO KEY UPDATE
    LOOP
        locked := locked + 1;
        IF account.id = p_source THEN
            available := account.balance;
            source_version := account.version + 1;
        ELSE
            target_version := account.version + 1;
        END IF;
    END LOOP;
    timeline := timeline();

    LOOP
        SELECT * INTO known FROM transfers t WHERE t.id = p_id FOR KEY SHARE;
        IF FOUND THEN
            source_version := known.source_version;
            target_version := known.target_version;
            verdict := CASE WHEN (known.source, known.target, known.amount) = (p_source, p_target, p_amount)
                            THEN 'known' ELSE 'conflict' END;
            RETURN;
        END IF;
        IF locked < 2 THEN
            verdict := 'unknown account';
            RETURN;
        END IF;
        IF available < p_amount THEN
            verdict := 'insufficient funds';
            RETURN;
        END IF;
        INSERT INTO transfers (id, source, target, amount, source_version, target_version)
        VALUES (p_id, p_source, p_target, p_amount, source_version, target_version)
        ON CONFLICT DO NOTHING;
        EXIT WHEN FOUND;
    END LOOP;

    UPDATE accounts SET balance = balance - p_amount, version = version + 1 WHERE id = p_source;
    UPDATE accounts SET balance = balance + p_amount, version = version + 1 WHERE id = p_target;
    verdict := 'applied';
END
$$;

-- Open `p_count` accounts from `p_first` on. Returns how many of them exist with another opening balance; if any does,
-- none is opened.
CREATE FUNCTION open_accounts(p_first bigint, p_count bigint, p_opening_balance bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    differing bigint;
BEGIN
    SELECT count(*) INTO differing FROM accounts
    WHERE id BETWEEN p_first AND p_first + p_count - 1 AND opening_balance <> p_opening_balance;
    IF differing = 0 THEN
        INSERT INTO accounts (id, balance, opening_balance)
        SELECT account, p_opening_balance, p_opening_balance
        FROM generate_series(p_first, p_first + p_count - 1) AS account
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN differing;
END
$$;
