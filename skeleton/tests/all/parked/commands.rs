//! `<service> parked ...`, from the command line.

use chrono::Duration;
use clap::Parser;
use serde_json::Value;
use skeleton::{
    Postgres,
    messaging::order::SequencePosition,
    parked::{Command, Refused, run},
    store::{Act, Decisions, Filter, SetAside, State, Store},
};

use super::bench::{Bench, data, hours_ago, parked};

#[derive(Parser)]
#[command(no_binary_name = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

/// The output of a command line.
async fn says(bench: &Bench<Postgres>, line: &str) -> Result<String, Refused> {
    let mut out = Vec::new();
    let line = Line::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
    run(&bench.store, line.command, &mut out).await?;
    Ok(String::from_utf8(out).unwrap())
}

async fn bench() -> Bench<Postgres> {
    Bench::new(Postgres::migrated_by(&[])).await
}

async fn states(bench: &Bench<Postgres>) -> Vec<State> {
    bench.store.list_set_aside(&Filter::default(), 100).await.unwrap().iter().map(|message| message.state).collect()
}

/// A file with data, removed with the test.
struct DataFile(std::path::PathBuf);

impl DataFile {
    fn with(text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("kith-parked-{}.json", uuid::Uuid::new_v4()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }
}

impl Drop for DataFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[tokio::test]
async fn a_list_shows_what_is_parked_unless_it_is_told_otherwise() {
    let bench = bench().await;
    let [first, second, waiting] = bench
        .keep([
            SetAside { first_failed_at: hours_ago(3), reason: "two\nlines".to_owned(), ..parked() },
            parked(),
            SetAside { state: State::Waiting, ..parked() },
        ])
        .await;

    let ids = async |line: &str| -> Vec<String> {
        let list = says(&bench, line).await.unwrap();
        list.lines().map(|line| line.split_once(' ').unwrap().0.to_owned()).collect()
    };
    let named = |messages: &[&SetAside]| messages.iter().map(|message| message.message.to_string()).collect::<Vec<_>>();
    assert_eq!(ids("list").await, named(&[&first, &second]));
    assert_eq!(ids("list --limit 1").await, named(&[&first]));
    assert_eq!(ids("list --state waiting").await, named(&[&waiting]));
    let all = says(&bench, "list --state all").await.unwrap();
    let in_other_states: Vec<&str> = all.lines().filter(|line| line.contains("  waiting, 5 attempts")).collect();
    assert!(in_other_states.len() == 1 && in_other_states[0].starts_with(&waiting.message.to_string()), "{all}");
    assert_eq!(ids("list --state all --since 2020-01-01 --attempts 5").await.len(), 3);
    assert_eq!(says(&bench, "list --queue contacts.dead").await.unwrap(), "no parked messages match\n");

    let lines = says(&bench, "list --json --limit 1").await.unwrap();
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["id"], &line["reason"]), (&first.message.to_string().into(), &"two\nlines".into()));
    assert!(!lines.contains("zoe@example.org") && line.get("data").is_none());
    assert!(Line::try_parse_from(["list", "--state", "lost"]).is_err());
    assert!(Line::try_parse_from(["list", "--since", "yesterday"]).is_err());
    bench.done().await;
}

#[tokio::test]
async fn a_dry_run_changes_nothing_and_says_which_it_would_be() {
    let bench = bench().await;
    let [message, _] = bench.keep([parked(), SetAside { name: "accounts.erased.v1".to_owned(), ..parked() }]).await;
    let file = DataFile::with(&data().to_string());

    let redrive = says(&bench, "redrive --all --dry-run --by Zoë").await.unwrap();
    let drop = says(&bench, &format!("drop --name {} --dry-run --by Zoë", message.name)).await.unwrap();
    let edit = says(&bench, &format!("edit {} --data {} --dry-run --by Zoë", message.message, file.0.display()))
        .await
        .unwrap();

    assert!(redrive.ends_with("would redrive 2\n") && redrive.contains(&message.message.to_string()), "{redrive}");
    assert!(drop.ends_with("would drop 1\n"), "{drop}");
    assert!(edit.ends_with(&format!("would edit {}\n", message.message)), "{edit}");
    assert_eq!(states(&bench).await, [State::Parked; 2]);
    assert!(bench.store.trail(None, 10).await.unwrap().is_empty());
    bench.done().await;
}

#[tokio::test]
async fn nobody_drops_many_or_everything_by_accident() {
    let bench = bench().await;
    bench.keep([parked(), parked(), SetAside { name: "accounts.erased.v1".to_owned(), ..parked() }]).await;

    assert!(matches!(says(&bench, "drop --by Zoë").await, Err(Refused::NothingChosen)));
    assert!(matches!(says(&bench, "redrive --by Zoë").await, Err(Refused::NothingChosen)));
    assert!(matches!(says(&bench, "drop --all --by Zoë").await, Err(Refused::NotConfirmed(3))));
    assert_eq!(states(&bench).await, [State::Parked; 3]);

    let dropped = says(&bench, "drop --name accounts.erased.v1 --by Zoë").await.unwrap();
    assert!(dropped.contains("  accounts.erased.v1  ") && dropped.ends_with("\ndropped: 1\n"), "{dropped}");
    let dropped = says(&bench, "drop --all --yes --by Zoë --note done").await.unwrap();
    assert!(dropped.lines().count() == 3 && dropped.ends_with("\ndropped: 2\n"), "{dropped}");
    assert_eq!(says(&bench, "list").await.unwrap(), "no parked messages match\n");
    let trail = says(&bench, "audit").await.unwrap();
    assert_eq!(trail.lines().count(), 3);
    assert!(trail.lines().next().unwrap().contains("  Zoë  dropped  ") && trail.contains("note: done"), "{trail}");
    bench.done().await;
}

#[tokio::test]
async fn what_is_behind_is_meant_only_where_that_is_said_and_what_waits_never() {
    let bench = bench().await;
    let place = Some(SequencePosition { line: "an import".to_owned(), number: 3 });
    let [parked, behind, _] = bench
        .keep([
            SetAside { first_failed_at: hours_ago(9), ..parked() },
            SetAside { first_failed_at: hours_ago(5), state: State::Behind, place, ..parked() },
            SetAside { first_failed_at: hours_ago(1), state: State::Waiting, ..parked() },
        ])
        .await;

    assert_eq!(says(&bench, "redrive --all --by Zoë").await.unwrap(), "redriven: 1\n");
    assert_eq!(states(&bench).await, [State::Waiting, State::Behind, State::Waiting]);
    assert_eq!(says(&bench, "redrive --all --state behind --by Zoë").await.unwrap(), "redriven: 1\n");
    assert_eq!(states(&bench).await, [State::Waiting; 3]);
    let given_up = bench.store.query("select number from skeleton.given_up order by number", &[]).await.unwrap();
    assert_eq!(given_up.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>(), [1, 2]);
    let trail = bench.store.trail(None, 10).await.unwrap();
    assert_eq!(trail.iter().map(|line| line.message).collect::<Vec<_>>(), [behind.message, parked.message]);
    for line in ["redrive --all --state waiting --by Zoë", "drop --all --state all --by Zoë"] {
        assert!(Line::try_parse_from(line.split(' ')).is_err(), "{line}");
    }
    bench.done().await;
}

#[tokio::test]
async fn a_redrive_goes_as_fast_as_it_was_told_and_no_faster() {
    let bench = bench().await;
    bench.keep(std::array::from_fn::<_, 5, _>(|_| parked())).await;

    assert_eq!(says(&bench, "redrive --all --rate 5 --by Zoë").await.unwrap(), "redriven: 5\n");

    let trail = bench.store.trail(None, 10).await.unwrap();
    let times: Vec<_> = trail.iter().rev().map(|decision| decision.decided_at).collect();
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > Duration::milliseconds(100)), "{times:?}");
    assert!(times[4] - times[0] > Duration::milliseconds(700), "{times:?}");
    assert_eq!(states(&bench).await, [State::Waiting; 5]);
    bench.done().await;
}

#[tokio::test]
async fn data_is_edited_with_its_masks_left_where_they_are() {
    let bench = bench().await;
    let [message] = bench.keep([parked()]).await;
    let shown = says(&bench, &format!("show {} --data", message.message)).await.unwrap();
    assert!(!shown.contains("zoe@example.org"), "{shown}");
    let file = DataFile::with(&shown.replace("yesterday", data()["added_at"].as_str().unwrap()));

    let line = format!("edit {} --data {} --redrive --by Zoë", message.message, file.0.display());
    let told = says(&bench, &line).await.unwrap();

    let id = message.message;
    assert_eq!(told, format!("the data fits the schema of {}\nedited: {id}\nredriven: 1\n", message.name));
    let edited = bench.store.list_set_aside(&Filter::of(id), 1).await.unwrap().remove(0);
    assert_eq!(serde_json::from_slice::<Value>(&edited.body).unwrap(), data());
    assert_eq!((edited.state, &edited.headers), (State::Waiting, &message.headers));
    let acts: Vec<Act> = bench.store.trail(Some(id), 10).await.unwrap().iter().map(|decision| decision.act).collect();
    assert_eq!(acts, [Act::Redriven, Act::Edited]);
    let audit = says(&bench, &format!("audit --id {id} --json")).await.unwrap();
    assert!(
        !audit.contains("zoe@example.org") && audit.contains(&format!("\"bytes\":{}", message.body.len())),
        "{audit}"
    );
    bench.done().await;
}

#[tokio::test]
async fn data_that_breaks_its_schema_is_refused_with_the_place_and_without_the_value() {
    let bench = bench().await;
    let [message, unknown] = bench
        .keep([parked(), SetAside { name: "shop.sold.v1".to_owned(), body: b"not JSON".to_vec(), ..parked() }])
        .await;
    let edit = async |id: uuid::Uuid, text: &str| {
        let file = DataFile::with(text);
        says(&bench, &format!("edit {id} --data {} --by Zoë", file.0.display())).await
    };
    let mut wrong = data();
    wrong["emails"] = "secret@example.org".into();

    let refusals = [
        (message.message, wrong.to_string(), "/emails breaks the rule \"type\" of contacts.contact-added.v2"),
        (message.message, "{".to_owned(), "the data is not valid JSON: line 1, column 1"),
        (
            message.message,
            "\"•••\"".to_owned(),
            "the whole is a mask without a value behind it: write the value itself",
        ),
        (
            message.message,
            format!("[\"{}\"]", "o".repeat(256 * 1024)),
            "the data is too large: 262148 bytes, the limit is 256 kB",
        ),
        (unknown.message, "{".to_owned(), "the data is not valid JSON: line 1, column 1"),
    ];
    for (id, text, expected) in refusals {
        let refused = edit(id, &text).await.unwrap_err().to_string();
        assert_eq!(refused, expected);
    }
    let told = edit(unknown.message, "{\"any\": 1}").await.unwrap();
    assert!(told.starts_with("the data was checked only as JSON"), "{told}");
    assert_eq!(bench.store.trail(None, 10).await.unwrap().len(), 1);
    bench.done().await;
}
