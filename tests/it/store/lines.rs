//! Lines: of those that wait for the same thing only the first is looked at.

use baton::{
    storage::{
        Store, halt, lines,
        outbox::{self, Claimed, NewDelivery, Waiting},
    },
    time::Timestamp,
};

use super::{LEASE, add, at, claim, delivery, ids, insert_orchestration};
use crate::databases::on_both;

/// Puts what was claimed into the line, as a pace does that refuses it until then.
async fn stand(store: &Store, claimed: Vec<Claimed>, line: &str, (until, now): (Timestamp, Timestamp)) {
    let token = claimed[0].token.clone();
    let waiting: Vec<_> = claimed
        .into_iter()
        .map(|claimed| Waiting { id: claimed.id, due_at: until, line: Some(line.to_owned()), tried_since: None })
        .collect();
    let mut tx = store.begin("stand in line").await.unwrap();
    assert_eq!(outbox::wait(&mut tx, &token, &waiting, now).await.unwrap(), waiting.len() as u64);
    tx.commit().await.unwrap();
}

async fn done(store: &Store, claimed: &Claimed) {
    let mut tx = store.begin("done").await.unwrap();
    assert!(outbox::done(&mut tx, &claimed.id, &claimed.token, at(0)).await.unwrap());
    tx.commit().await.unwrap();
}

on_both!(only_the_first_of_a_line_is_claimed, |db| async {
    let store = db.open().await;
    for id in ["d1", "d2", "d3"] {
        add(&store, &delivery(id, id)).await;
    }
    stand(&store, claim(&store, at(0), 10).await, "pace", (at(5), at(0))).await;
    assert_eq!(outbox::next_due(&store).await.unwrap(), Some(at(5)));
    assert_eq!(ids(&claim(&store, at(4), 10).await), [""; 0]);

    let first = claim(&store, at(5), 10).await;
    assert_eq!(ids(&first), ["d1"]);
    assert_eq!(first[0].line.as_deref(), Some("pace"));
    assert_eq!((first[0].attempt, first[0].tried_since), (1, at(5)), "its turn has come only now");
    done(&store, &first[0]).await;

    // The line is due until somebody is told to wait again.
    let second = claim(&store, at(5), 10).await;
    assert_eq!(ids(&second), ["d2"]);
    stand(&store, second, "pace", (at(7), at(5))).await;
    assert_eq!(ids(&claim(&store, at(6), 10).await), [""; 0]);
    for id in ["d2", "d3"] {
        let claimed = claim(&store, at(7), 10).await;
        assert_eq!(ids(&claimed), [id]);
        done(&store, &claimed[0]).await;
    }
    assert_eq!(ids(&claim(&store, at(7), 10).await), [""; 0]);
    assert_eq!(outbox::next_due(&store).await.unwrap(), None, "nobody stands in it, and it has ended");
});

on_both!(a_stop_stands_before_what_is_urgent_and_that_before_what_is_older, |db| async {
    let store = db.open().await;
    add(&store, &delivery("a", "oldest")).await;
    add(&store, &NewDelivery { urgent: true, ..delivery("b", "urgent") }).await;
    add(&store, &NewDelivery { urgent: true, kind: "cancel_run", ..delivery("c", "stop") }).await;
    stand(&store, claim(&store, at(0), 10).await, "pace", (at(5), at(0))).await;
    for id in ["stop", "urgent", "oldest"] {
        let claimed = claim(&store, at(5), 10).await;
        assert_eq!(ids(&claimed), [id]);
        done(&store, &claimed[0]).await;
    }
});

on_both!(who_joins_later_may_make_a_line_look_earlier_and_never_later, |db| async {
    let store = db.open().await;
    for (id, until) in [("large", 9), ("small", 3), ("larger", 20)] {
        add(&store, &delivery(id, id)).await;
        stand(&store, claim(&store, at(0), 10).await, "pace", (at(until), at(0))).await;
    }
    assert_eq!(ids(&claim(&store, at(3), 10).await), ["large"]);
});

on_both!(a_line_waits_for_those_before_its_firsts_in_their_lanes, |db| async {
    let store = db.open().await;
    add(&store, &delivery("lane", "given up")).await;
    add(&store, &delivery("lane", "in line")).await;
    let given_up = claim(&store, at(0), 10).await.remove(0);
    let mut tx = store.begin("park").await.unwrap();
    assert!(outbox::park(&mut tx, &given_up.id, &given_up.token, at(0), "refused").await.unwrap());
    tx.commit().await.unwrap();
    stand(&store, claim(&store, at(0), 10).await, "pace", (at(1), at(0))).await;

    // An operator sends again what stands before it.
    assert!(outbox::retry(&store, &given_up.id, at(2)).await.unwrap());
    let before = claim(&store, at(2), 10).await;
    assert_eq!(ids(&before), ["given up"]);
    assert!(outbox::next_due(&store).await.unwrap() > Some(at(2)), "the line is not looked at over and over");
    done(&store, &before[0]).await;
    assert_eq!(ids(&claim(&store, at(8), 10).await), ["in line"]);
});

on_both!(what_is_stopped_leaves_its_lines_and_a_board_is_replaced_in_its_own, |db| async {
    let store = db.open().await;
    let id = insert_orchestration(&store, "o1").await;
    add(&store, &NewDelivery { orchestration: Some(id.clone()), ..delivery("a", "its own") }).await;
    add(&store, &delivery("b", "another's")).await;
    let board = |name| NewDelivery { coalesce: Some("board".into()), ..delivery("board", name) };
    add(&store, &board("old board")).await;
    stand(&store, claim(&store, at(0), 10).await, "pace", (at(50), at(0))).await;
    assert_eq!(add(&store, &board("new board")).await, outbox::Added::Replaced);
    assert_eq!(ids(&claim(&store, at(1), 10).await), [""; 0]);

    let mut tx = store.begin("stop").await.unwrap();
    lines::leave(&mut tx, &id, at(1)).await.unwrap();
    tx.commit().await.unwrap();
    let stopped = claim(&store, at(1), 10).await;
    assert_eq!(ids(&stopped), ["its own"]);
    done(&store, &stopped[0]).await;
    let first = claim(&store, at(50), 10).await;
    assert_eq!(ids(&first), ["another's"]);
    done(&store, &first[0]).await;
    assert_eq!(ids(&claim(&store, at(50), 10).await), ["new board"]);
});

on_both!(who_resumes_calls_what_was_halted, |db| async {
    let store = db.open().await;
    add(&store, &delivery("a", "launch")).await;
    assert!(halt::begin(&store, "operator", "a test", at(0)).await.unwrap());
    stand(&store, claim(&store, at(0), 10).await, lines::HALT, (at(60), at(0))).await;
    assert_eq!(ids(&claim(&store, at(10), 10).await), [""; 0]);
    assert!(halt::end(&store, "operator", at(10)).await.unwrap());
    assert_eq!(ids(&claim(&store, at(10), 10).await), ["launch"]);
});

on_both!(
    /// A replica from before there were lines claims what stands in one; when it dies, its lease ends.
    who_knows_no_lines_does_no_harm,
    |db| async {
        let store = db.open().await;
        add(&store, &delivery("a", "d1")).await;
        stand(&store, claim(&store, at(0), 10).await, "pace", (at(5), at(0))).await;
        let lease = (at(5) + LEASE).as_millis();
        let claims = format!("UPDATE outbox SET lease_token = 'old', lease_until_ms = {lease}, attempts = 1");
        db.outsider().await.run(&claims).await;
        assert_eq!(ids(&claim(&store, at(6), 10).await), [""; 0]);
        assert_eq!(ids(&claim(&store, at(6) + LEASE, 10).await), ["d1"]);
    }
);
