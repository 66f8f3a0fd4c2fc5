use serde_json::{Value, json};

use super::*;

/// A pool with these sessions, in which everything that was refused has a way out.
struct Known(&'static [&'static str]);

impl Lookup for Known {
    fn sids(&self) -> Vec<String> {
        self.0.iter().map(|sid| (*sid).to_owned()).collect()
    }

    fn way_out(&self, sid: &str) -> Option<String> {
        Some(format!("`poolwarden --state-dir /p adopt {sid}`"))
    }

    fn withdrawn_kills(&self) -> Vec<String> {
        self.sids()
    }
}

fn show(view: &View, answer: &Value, known: &'static [&'static str]) -> (Value, bool) {
    let shown = view.show(answer.to_string(), &Known(known));
    let shown_value = serde_json::from_str(&shown.text).expect("JSON");
    (shown_value, shown.failed)
}

fn note(answer: &Value) -> &str {
    answer["note"].as_str().expect("a note")
}

fn stop(sid: Option<&str>) -> View {
    View::Stop {
        sid: sid.map(str::to_owned),
        returned_early: None,
    }
}

fn stopped(stopped: &[&str], outcomes: &[(&str, &str)]) -> Value {
    let outcomes: Vec<_> = outcomes
        .iter()
        .map(|(sid, outcome)| json!({"sid": sid, "pid": 7, "outcome": outcome}))
        .collect();
    json!({"stopped": stopped, "errors": [], "outcomes": outcomes})
}

fn sessions(of: &[(&str, &str)]) -> Value {
    let of = of.iter();
    of.map(|(sid, status)| json!({"sid": sid, "status": status}))
        .collect()
}

fn sids(answer: &Value, field: &str) -> Vec<String> {
    let sessions = answer[field].as_array().expect("a list").iter();
    sessions
        .map(|session| session["sid"].as_str().expect("a sid").to_owned())
        .collect()
}

#[test]
fn an_unknown_sid_is_told_with_close_ones_and_the_lists_stay_as_they_are() {
    let status = View::Status {
        sid: Some("serch".into()),
        filter: Filter::default(),
    };
    let answer = json!({"sessions": [], "pool_version": "1"});
    let (shown, failed) = show(&status, &answer, &["search", "db"]);
    assert!(!failed);
    assert_eq!(shown["sessions"], json!([]));
    assert_eq!(
        note(&shown),
        "no session has the sid \"serch\"; close to it: \"search\""
    );
    let (shown, failed) = show(&stop(Some("web")), &stopped(&[], &[]), &["search", "db"]);
    assert!(!failed);
    assert_eq!(
        note(&shown),
        "no session has the sid \"web\"; the sessions are \"search\", \"db\"; nobody was stopped"
    );
    let (shown, _) = show(&stop(Some("web")), &stopped(&[], &[]), &[]);
    assert!(note(&shown).contains("the pool has no sessions"));
}

#[test]
fn a_status_says_whose_kill_was_withdrawn() {
    let view = View::Status {
        sid: None,
        filter: Filter::default(),
    };
    let all = [("a", "stopping"), ("b", "running"), ("c", "stopping")];
    let answer = json!({"sessions": sessions(&all), "pool_version": "1"});
    let (shown, _) = show(&view, &answer, &["a", "b"]);
    assert!(note(&shown).contains("was cancelled: \"a\"; stop again with force"));
    assert_eq!(show(&view, &answer, &[]).0, answer);
}

#[test]
fn an_answer_about_which_nothing_is_to_be_said_stays_byte_for_byte() {
    let text = r#"{ "sessions":[{"sid":"a"}],  "pool_version":"1" }"#;
    for sid in [None, Some("a".to_owned())] {
        let view = View::Status {
            sid,
            filter: Filter::default(),
        };
        assert_eq!(view.show(text.to_owned(), &Known(&[])).text, text);
    }
    let ended = stopped(&["a"], &[("a", "exited")]).to_string();
    assert_eq!(stop(None).show(ended.clone(), &Known(&[])).text, ended);
    // What fits no view is shown as it is.
    let odd = r#"{"outcomes":7}"#;
    assert_eq!(stop(None).show(odd.into(), &Known(&[])).text, odd);
}

#[test]
fn a_stop_fails_where_nobody_that_was_to_stop_has_ended() {
    for (outcomes, stopped_sids, fails) in [
        (&[("a", "refused")][..], &[][..], true),
        (&[("a", "still-running"), ("b", "failed")], &[], true),
        (&[("a", "still-running"), ("b", "exited")], &["b"], false),
        (&[("a", "already-dead")], &["a"], false),
        (&[("a", "signalled")], &["a"], false),
        (&[], &[], false),
    ] {
        let (shown, failed) = show(&stop(None), &stopped(stopped_sids, outcomes), &[]);
        assert_eq!(failed, fails, "{shown}");
    }
    let mut forecast = stopped(&[], &[("a", "would-signal")]);
    forecast["dry_run"] = json!(true);
    assert!(!show(&stop(None), &forecast, &[]).1);
}

#[test]
fn a_stop_says_who_was_only_signalled_and_what_to_do_about_those_refused() {
    let answer = stopped(&["a"], &[("a", "signalled"), ("b", "refused")]);
    let (shown, failed) = show(&stop(None), &answer, &[]);
    assert!(!failed);
    assert!(note(&shown).contains("signalled only, and not waited for: \"a\""));
    assert!(note(&shown).contains("\"b\": `poolwarden --state-dir /p adopt b`"));
}

#[test]
fn a_stop_that_returns_early_says_who_runs_and_that_nobody_was_killed() {
    let view = View::Stop {
        sid: None,
        returned_early: Some((Duration::from_secs(100), true)),
    };
    let answer = stopped(&["b"], &[("a", "still-running"), ("b", "exited")]);
    let (shown, _) = show(&view, &answer, &[]);
    let text = note(&shown);
    for part in [
        "still running: \"a\"",
        "before the 100 s",
        "Nobody was killed",
    ] {
        assert!(text.contains(part), "{text}");
    }
    let all = stopped(&["a"], &[("a", "exited")]);
    assert_eq!(show(&view, &all, &[]).0, all);
}

#[test]
fn a_filtered_status_shows_exceptions_first_and_counts_what_it_leaves_out() {
    let all = [
        ("a-1", "running"),
        ("a-2", "unproven"),
        ("b-1", "running"),
        ("a-3", "stopping"),
    ];
    let answer = json!({"sessions": sessions(&all), "pool_version": "1", "more": 1.50});
    let filtered = |limit, status, prefix: Option<&str>| {
        let view = View::Status {
            sid: None,
            filter: Filter::new(limit, status, prefix.map(str::to_owned)),
        };
        let (shown, _) = show(&view, &answer, &[]);
        assert_eq!(shown["more"], 1.5);
        (sids(&shown, "sessions"), shown["left_out"].clone())
    };
    let shown = |sids: &[&str], left_out: u64| {
        let sids: Vec<_> = sids.iter().map(|sid| (*sid).to_owned()).collect();
        (sids, json!(left_out))
    };
    assert_eq!(
        filtered(Some(3), None, None),
        shown(&["a-2", "a-3", "a-1"], 1)
    );
    assert_eq!(filtered(Some(0), None, None), shown(&[], 4));
    let running = Some(StatusFilter::Running);
    assert_eq!(filtered(None, running, None), shown(&["a-1", "b-1"], 2));
    assert_eq!(filtered(None, running, Some("a-")), shown(&["a-1"], 3));
}

#[test]
fn a_list_has_the_dead_and_the_exceptions_before_the_running() {
    let all = [("r", "running"), ("u", "unproven"), ("s", "running")];
    let dead = json!([{"sid": "d", "pid": 7, "standing": "gone", "evidence": "it is"}]);
    let answer = json!({
        "sessions": sessions(&all), "pool_version": "1", "removed": dead, "dry_run": true,
    });
    let list = |limit, status| {
        show(
            &View::List(Filter::new(Some(limit), status, None)),
            &answer,
            &[],
        )
        .0
    };
    let shown = list(3, None);
    assert_eq!(sids(&shown, "dead"), ["d"]);
    assert_eq!(sids(&shown, "sessions"), ["u", "r"]);
    assert_eq!(shown["left_out"], 1);
    assert_eq!(shown.get("removed"), None);
    let shown = list(3, Some(StatusFilter::Running));
    assert_eq!(sids(&shown, "dead"), Vec::<String>::new());
    assert_eq!(shown["left_out"], 2);
}
