//! What lies further ahead than anything is put off: it was written while a clock was ahead of the
//! present one, and would keep its lane, line, pace or lead waiting until that time comes again. It is due
//! now. What people set (when a proposal lapses, reminders) stays.

use super::{
    Result, Store, lines, outbox,
    sql::{Arg, args, statements},
    wakes::Topic,
};
use crate::time::Timestamp;

statements! {
    DELIVERIES = "UPDATE outbox SET due_at_ms = $1 WHERE state = 'waiting' AND due_at_ms > $2 RETURNING seq";
    CLAIMS = "UPDATE outbox SET lease_until_ms = $1 WHERE state = 'waiting' AND lease_until_ms > $2 RETURNING seq";
    EVENTS = "UPDATE inbox SET due_at_ms = $1 WHERE state = 'undecided' AND due_at_ms > $2 RETURNING seq";
    TIMERS = "UPDATE timers SET due_at_ms = $1
        WHERE due_at_ms > $2 AND key NOT LIKE 'expiry-%' AND key NOT LIKE 'remind-%'
        RETURNING key";
    PACES = "UPDATE paces
        SET next_at_ms = CASE WHEN next_at_ms > $2 THEN $1 ELSE next_at_ms END,
            held_until_ms = CASE WHEN held_until_ms > $2 THEN $1 ELSE held_until_ms END
        WHERE next_at_ms > $2 OR held_until_ms > $2
        RETURNING key";
    LINES = "UPDATE lines SET due_at_ms = $1 WHERE due_at_ms > $2 RETURNING name";
    LEADS = "UPDATE leases SET until_ms = $1 WHERE until_ms > $2 RETURNING name";
}

/// Makes due at `now` what lies beyond `horizon`; returns how much that was.
pub async fn bring_back(store: &Store, now: Timestamp, horizon: Timestamp) -> Result<usize> {
    let args: &[Arg<'_>] = args![now, horizon];
    let mut tx = store.begin("bring back what lies too far ahead").await?;
    outbox::line_up(&mut tx).await?; // it moves lines
    lines::restore(&mut tx, now).await?;
    let mut brought = 0;
    for sql in [DELIVERIES, CLAIMS, EVENTS, TIMERS, PACES, LINES, LEADS] {
        brought += tx.rows(sql, args).await?.len();
    }
    if brought == 0 {
        tx.commit_if_changed().await?;
        return Ok(0);
    }
    for topic in Topic::ALL {
        tx.wake(topic);
    }
    tx.commit().await?;
    Ok(brought)
}
