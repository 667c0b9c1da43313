//! The audit log's chain: what was added is whole, and whatever is done to it shows.

use baton::{
    ids::InputId,
    storage::{
        Store,
        audit::{self, Fault, NewEntry},
        halt,
    },
};

use super::at;
use crate::databases::{Db, on_both};

fn entry(detail: &str) -> NewEntry {
    NewEntry {
        at: at(1),
        orchestration: None,
        input: InputId::new("i1"),
        kind: "approved",
        actor: Some("slack:UADA".into()),
        place: Some("slack:T1:C1".into()),
        version: Some(2),
        digest: Some("9f86d081884c".into()),
        detail: detail.into(),
    }
}

async fn add(store: &Store, details: &[&str]) {
    let mut tx = store.begin("add").await.unwrap();
    for detail in details {
        tx.audit(entry(detail));
    }
    tx.commit().await.unwrap();
}

/// A log of four rows, to which `sql` is done behind Baton's back.
async fn fault_after(db: &Db, sql: &'static str) -> Option<Fault> {
    let store = db.open().await;
    add(&store, &["one", "two\0"]).await;
    add(&store, &["three", "four"]).await;
    assert_eq!(audit::verify(&store).await.unwrap(), (4, None));
    db.outsider().await.run(sql).await;
    audit::verify(&store).await.unwrap().1
}

on_both!(what_is_added_is_a_whole_chain_in_order, |db| async {
    let store = db.open().await;
    assert_eq!(audit::verify(&store).await.unwrap(), (0, None));
    add(&store, &["one", "two"]).await;
    add(&store, &["three"]).await;
    let rows = audit::after(&store, 0).await.unwrap();
    let details: Vec<_> = rows.iter().map(|row| (row.seq, row.detail.as_str())).collect();
    assert_eq!(details, [(1, "one"), (2, "two"), (3, "three")]);
    assert_eq!(rows[1].previous, rows[0].hash);
    assert_eq!(audit::newest(&store, Some(3), 1).await.unwrap()[0].detail, "two");
    assert_eq!(audit::verify(&store).await.unwrap(), (3, None));
});

on_both!(what_is_undone_is_not_in_the_log, |db| async {
    let store = db.open().await;
    let mut tx = store.begin("undo").await.unwrap();
    tx.audit(entry("kept"));
    tx.savepoint().await.unwrap();
    tx.audit(entry("undone"));
    tx.rollback_to_savepoint().await.unwrap();
    tx.commit().await.unwrap();
    let mut tx = store.begin("dropped").await.unwrap();
    tx.audit(entry("dropped"));
    tx.rollback().await.unwrap();
    let rows = audit::after(&store, 0).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.detail.as_str()).collect::<Vec<_>>(), ["kept"]);
});

on_both!(an_altered_row_is_found, |db| async {
    let fault = fault_after(&db, "UPDATE audit SET actor = 'slack:UEVE' WHERE seq = 2").await;
    assert_eq!(fault, Some(Fault::Altered { seq: 2 }));
});

on_both!(a_removed_row_is_found, |db| async {
    let fault = fault_after(&db, "DELETE FROM audit WHERE seq = 2").await;
    assert_eq!(fault, Some(Fault::Broken { seq: 3 }));
});

on_both!(a_log_that_was_cut_off_is_found, |db| async {
    let fault = fault_after(&db, "DELETE FROM audit WHERE seq = 4").await;
    assert_eq!(fault, Some(Fault::CutOff { last: 3, expected: 4 }));
});

on_both!(moved_rows_are_found, |db| async {
    let swap = "UPDATE audit SET seq = 9 WHERE seq = 2; UPDATE audit SET seq = 2 WHERE seq = 3;
        UPDATE audit SET seq = 3 WHERE seq = 9";
    assert_eq!(fault_after(&db, swap).await, Some(Fault::Broken { seq: 2 }));
});

on_both!(concurrent_transactions_make_one_chain, |db| async {
    let store = db.open().await;
    let adding = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { add(&store, &["a", "b"]).await })
    });
    for added in adding.collect::<Vec<_>>() {
        added.await.unwrap();
    }
    assert_eq!(audit::verify(&store).await.unwrap(), (16, None));
});

on_both!(other_rules_are_noted_once, |db| async {
    let store = db.open().await;
    assert!(audit::note_settings(&store, "a", at(1)).await.unwrap());
    assert!(!audit::note_settings(&store, "a", at(2)).await.unwrap());
    assert!(audit::note_settings(&store, "b", at(3)).await.unwrap());
    assert_eq!(audit::after(&store, 1).await.unwrap()[0].detail, "routes and policies b, before a");
});

on_both!(a_halt_stands_until_it_is_ended_and_both_are_in_the_log, |db| async {
    let store = db.open().await;
    assert!(halt::begin(&store, "operator:page", "spending", at(1)).await.unwrap());
    assert!(!halt::begin(&store, "operator:page", "again", at(2)).await.unwrap());
    assert_eq!(halt::standing(&store).await.unwrap().unwrap().reason, "spending");
    assert!(halt::end(&store, "operator:page", at(3)).await.unwrap());
    assert!(!halt::end(&store, "operator:page", at(4)).await.unwrap());
    assert_eq!(halt::standing(&store).await.unwrap(), None);
    let kinds: Vec<String> = audit::after(&store, 0).await.unwrap().into_iter().map(|row| row.kind).collect();
    assert_eq!(kinds, ["halted", "resumed"]);
});
