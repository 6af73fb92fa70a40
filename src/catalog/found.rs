//! Tests of lists: each against what a person would find by looking through everything, and none that walks through a whole table.

use super::{Dataset, DatasetFilter, Millis, PageKey, Sort, Verdict, Wearer, finding::Finding, made::Made};
use crate::ids::{DatasetId, DeviceId, ParticipantId, Tag};

const SORTS: [Sort; 4] = [Sort::Newest, Sort::Oldest, Sort::Date, Sort::Largest];
const DATASETS: i64 = 300;
const WORDS: [&str; 3] = ["breakfast", "breaking", "supper"];

/// What one of three hundred is. Many have the same date, and the same size.
struct One {
    uuid: DatasetId,
    number: i64,
    device: DeviceId,
    participant: Option<ParticipantId>,
    verdict: Option<Verdict>,
    app_version: Option<&'static str>,
    model: Option<&'static str>,
    started_at: Option<Millis>,
    created_at: Millis,
    weight: Option<i64>,
    tags: Vec<&'static str>,
    words: Vec<&'static str>,
    is_deleted: bool,
}

struct All {
    made: Made,
    datasets: Vec<One>,
    devices: Vec<DeviceId>,
    participants: Vec<ParticipantId>,
}

/// One of some things, as if thrown for, or nothing.
fn thrown<T: Copy>(from: &[T], number: i64, prime: i64) -> Option<T> {
    let at = usize::try_from(number * prime % 101).expect("positive") % (from.len() + 1);
    from.get(at).copied()
}

impl One {
    fn new(number: i64, uuid: DatasetId, devices: &[DeviceId], participants: &[ParticipantId]) -> Self {
        Self {
            uuid,
            number,
            device: devices[usize::try_from(number).expect("positive") % devices.len()],
            participant: thrown(participants, number, 7),
            verdict: thrown(&Verdict::ALL, number, 11),
            app_version: thrown(&["1.4", "1.5"], number, 13),
            model: thrown(&["hands", "feet"], number, 17),
            started_at: thrown(&[500, 2_000, 2_005, 2_010], number, 19),
            created_at: 2_000 + number / 30,
            weight: thrown(&[0, 5, 5, 9], number, 23),
            tags: [thrown(&["common"], number, 29), thrown(&["rare"], number, 31).filter(|_| number % 40 == 0)]
                .into_iter()
                .flatten()
                .collect(),
            words: WORDS.into_iter().filter(|word| number * 37 % 11 > i64::try_from(word.len()).expect("short") - 5).collect(),
            is_deleted: number % 17 == 3,
        }
    }

    fn date(&self) -> Millis {
        self.started_at.unwrap_or(self.created_at)
    }

    fn passes(&self, filter: &DatasetFilter) -> bool {
        let participant = filter.participant.is_none_or(|wearer| match wearer {
            Wearer::Participant(id) => self.participant == Some(id),
            Wearer::Unassigned => self.participant.is_none(),
        });
        let is = |wanted: &Option<String>, value: Option<&str>| wanted.as_deref().is_none_or(|wanted| value == Some(wanted));
        let text = filter.text.as_deref().unwrap_or_default();
        participant
            && text.split(' ').all(|begin| self.words.iter().any(|word| word.starts_with(begin)) || begin.is_empty())
            && filter.device.is_none_or(|device| device == self.device)
            && filter.tag.as_ref().is_none_or(|tag| self.tags.contains(&tag.as_str()))
            && filter.verdict.is_none_or(|verdict| verdict == self.verdict)
            && is(&filter.app_version, self.app_version)
            && is(&filter.model, self.model)
            && filter.from.is_none_or(|from| self.date() >= from)
            && filter.to.is_none_or(|to| self.date() < to)
            && filter.in_trash == self.is_deleted
    }

    fn value(&self, sort: Sort) -> Option<i64> {
        match sort {
            Sort::Newest | Sort::Oldest => Some(self.number),
            Sort::Date => Some(self.date()),
            Sort::Largest => self.weight,
        }
    }

    async fn insert(&self, made: &Made) {
        let text = |value: Option<&str>| value.map_or("NULL".to_owned(), |value| format!("'{value}'"));
        let number = |value: Option<i64>| value.map_or("NULL".to_owned(), |value| value.to_string());
        let Self { uuid, number: place, created_at, .. } = self;
        made.change(&format!(
            "INSERT INTO datasets (uuid, number, device, created_at, updated_at, participant, verdict, app_version, model, started_at, weight, deleted_at) \
             VALUES ('{uuid}', {place}, '{}', {created_at}, 0, {}, {}, {}, {}, {}, {}, {})",
            self.device,
            text(self.participant.map(|id| id.to_string()).as_deref()),
            text(self.verdict.map(Verdict::as_str)),
            text(self.app_version),
            text(self.model),
            number(self.started_at),
            number(self.weight),
            number(self.is_deleted.then_some(1)),
        ))
        .await;
        made.change(&format!("INSERT INTO words (rowid, text) VALUES ({place}, '{}')", self.words.join(" "))).await;
        for tag in &self.tags {
            made.change(&format!("INSERT INTO tags VALUES ('{tag}', '{uuid}', {place})")).await;
        }
    }
}

impl All {
    async fn new() -> Self {
        let made = Made::new().await;
        let (mut devices, participants) = (Vec::new(), vec![ParticipantId::random(), ParticipantId::random()]);
        for name in ["kitchen[1]", "garden[2]", "hall[3]"] {
            devices.push(made.device(name).await);
        }
        for (at, id) in participants.iter().enumerate() {
            made.change(&format!("INSERT INTO participants (id, label, created_at) VALUES ('{id}', 'P{at}', 0)")).await;
        }
        let datasets: Vec<_> = (1..=DATASETS).map(|number| One::new(number, DatasetId::random(), &devices, &participants)).collect();
        for one in &datasets {
            one.insert(&made).await;
        }
        Self { made, datasets, devices, participants }
    }

    /// Each condition by itself.
    fn conditions(&self) -> Vec<DatasetFilter> {
        let text = |words: &str| DatasetFilter { text: Some(words.to_owned()), ..DatasetFilter::default() };
        let tag = |tag: &str| DatasetFilter { tag: Some(Tag::from_catalog(tag.to_owned())), ..DatasetFilter::default() };
        let wearer = |wearer| DatasetFilter { participant: Some(wearer), ..DatasetFilter::default() };
        let verdict = |verdict| DatasetFilter { verdict: Some(verdict), ..DatasetFilter::default() };
        let dates = |from, to| DatasetFilter { from, to, ..DatasetFilter::default() };
        let mut conditions: Vec<_> = ["break", "supper", "break sup", "lunch"].map(text).into();
        conditions.extend(["common", "rare", "none"].map(tag));
        conditions.extend([Wearer::Participant(self.participants[0]), Wearer::Unassigned].map(wearer));
        conditions.extend([None, Some(Verdict::Usable)].map(verdict));
        conditions.extend([dates(Some(2_004), None), dates(None, Some(2_004)), dates(Some(2_000), Some(2_006)), dates(Some(0), Some(1))]);
        let given = |word: &str| Some(word.to_owned());
        conditions.push(DatasetFilter { device: Some(self.devices[0]), ..DatasetFilter::default() });
        conditions.push(DatasetFilter { app_version: given("1.5"), ..DatasetFilter::default() });
        conditions.push(DatasetFilter { model: given("hands"), ..DatasetFilter::default() });
        conditions.push(DatasetFilter { in_trash: true, ..DatasetFilter::default() });
        conditions
    }

    /// None, each, and each two of the conditions.
    fn filters(&self) -> Vec<DatasetFilter> {
        let conditions = self.conditions();
        let mut filters = vec![DatasetFilter::default()];
        for (at, one) in conditions.iter().enumerate() {
            filters.extend(conditions[at..].iter().map(|other| both(one, other)));
        }
        filters
    }

    /// What a person would find.
    fn expected(&self, filter: &DatasetFilter, sort: Sort) -> Vec<DatasetId> {
        let mut found: Vec<_> = self.datasets.iter().filter(|one| one.passes(filter) && one.value(sort).is_some()).collect();
        found.sort_by_key(|one| (one.value(sort), one.number));
        if sort != Sort::Oldest {
            found.reverse();
        }
        found.into_iter().map(|one| one.uuid).collect()
    }

    /// What the pages of a list hold.
    async fn pages(&self, filter: &DatasetFilter, sort: Sort, most: u32) -> Vec<DatasetId> {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page: Vec<Dataset> = self.made.catalog.datasets(filter, sort, after, most).await.expect("datasets");
            let Some(last) = page.last() else { return found };
            after = Some(PageKey::of(last, sort));
            found.extend(page.iter().map(|dataset| dataset.uuid));
            assert!(found.len() <= self.datasets.len(), "the pages do not end: {filter:?} {sort:?}");
        }
    }
}

/// What passes both. Where both say something of the same, the first holds.
fn both(one: &DatasetFilter, other: &DatasetFilter) -> DatasetFilter {
    let (one, other) = (one.clone(), other.clone());
    DatasetFilter {
        text: one.text.or(other.text),
        device: one.device.or(other.device),
        participant: one.participant.or(other.participant),
        tag: one.tag.or(other.tag),
        verdict: one.verdict.or(other.verdict),
        app_version: one.app_version.or(other.app_version),
        model: one.model.or(other.model),
        from: one.from.or(other.from),
        to: one.to.or(other.to),
        in_trash: one.in_trash || other.in_trash,
    }
}

#[tokio::test]
async fn each_list_is_what_a_person_would_find_in_the_same_order_and_nothing_is_twice_or_left_out_across_pages() {
    let all = All::new().await;
    for filter in all.filters() {
        for sort in SORTS {
            let expected = all.expected(&filter, sort);
            for most in [17, 400] {
                assert_eq!(all.pages(&filter, sort, most).await, expected, "{filter:?} {sort:?} {most}");
            }
        }
        let newest = all.expected(&filter, Sort::Newest);
        assert_eq!(all.made.catalog.uuids(&filter, 400).await.expect("uuids"), newest, "{filter:?}");
        assert_eq!(all.made.catalog.uuids(&filter, 3).await.expect("uuids"), newest[..newest.len().min(3)], "{filter:?}");
    }
}

#[tokio::test]
async fn the_filters_of_these_tests_let_something_through_and_leave_something_out() {
    let all = All::new().await;
    let found = |filter: &DatasetFilter| all.expected(filter, Sort::Newest).len();
    let counts: Vec<_> = all.conditions().iter().map(found).collect();
    assert!(counts.iter().all(|count| *count < found(&DatasetFilter::default())), "{counts:?}");
    assert_eq!(counts.iter().filter(|count| **count == 0).count(), 3, "three find nothing on purpose: {counts:?}");
}

/// How a list may be answered: from an index that holds all that is asked, or in the order of the list. `words` is FTS5's own way.
const GOOD_WALKS: [&str; 6] = [
    "SCAN d USING COVERING INDEX datasets_listed",
    "SCAN d USING INDEX datasets_by_number",
    "SCAN d USING INDEX datasets_by_date",
    "SCAN d USING INDEX datasets_by_weight",
    "SCAN w VIRTUAL TABLE",
    "SCAN words VIRTUAL TABLE",
];

#[tokio::test]
async fn no_list_fetches_rows_that_it_does_not_show() {
    let all = All::new().await;
    for filter in all.filters() {
        for sort in SORTS {
            for after in [None, Some(PageKey { value: 2_003, number: 100 })] {
                let mut query = sqlx::QueryBuilder::new(Dataset::SELECT);
                let words = all.made.catalog.words(&filter, sort).await.expect("words");
                Finding { filter: &filter, words, sort, after, most: 51 }.push(&mut query);
                let plan = all.made.plan(query.sql().as_str()).await;
                assert_good(&plan, &format!("{filter:?} {sort:?} {after:?}"));
            }
        }
    }
}

fn assert_good(plan: &str, what: &str) {
    for step in plan.lines().filter(|step| step.starts_with("SCAN")) {
        assert!(GOOD_WALKS.iter().any(|good| step.starts_with(good)), "{what}\n{plan}");
    }
    // The outer query fetches what is shown, by number, and puts it in order.
    let (outer, inner) = plan.split_once("LIST SUBQUERY").expect("an inner query");
    assert!(outer.contains("SEARCH d USING INDEX datasets_by_number (number=?)"), "{what}\n{plan}");
    // Whatever is put in order behind a walk through more than the page was seen in the index alone.
    let sorts = inner.matches("USE TEMP B-TREE").count() > 1;
    // But for the trash, which is emptied: few lie in it.
    let fetches = inner.lines().any(|step| step.contains(" d USING INDEX") && !step.contains("datasets_deleted"));
    assert!(!(sorts && fetches), "{what}\n{plan}");
}

#[tokio::test]
async fn each_connection_has_a_cache_of_its_own() {
    let made = Made::new().await;
    let options = made.texts("SELECT compile_options AS c FROM pragma_compile_options").await;
    assert!(options.contains(&Some("ENABLE_FTS5".to_owned())), "{options:?}");
    assert!(!options.contains(&Some("ENABLE_MEMORY_MANAGEMENT".to_owned())), "see .cargo/config.toml");
}
