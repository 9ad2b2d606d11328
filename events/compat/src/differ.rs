//! Our own engine: goes through what is written and what is read side by side, rule by rule.

use std::cell::{Cell, RefCell};

use serde_json::Value;

use crate::{
    closed::is_closed,
    document::Document,
    rule::Rule,
    sample::Sampler,
    shape::{Node, Shape, root, shapes},
    values::{Kind, equal},
    witness::accepts,
};

/// More steps than any real pair of schemas takes.
const MOST_STEPS: u32 = 20_000;

/// A rule that the reader seems to break, and values that may show it.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) path: String,
    pub(crate) rule: Rule,
    pub(crate) message: String,
    pub(crate) tries: Vec<Value>,
}

impl Suspicion {
    pub(crate) fn new(rule: Rule, message: impl Into<String>, tries: Vec<Value>) -> Self {
        Self { path: String::new(), rule, message: message.into(), tries }
    }
}

/// What the comparison of two nodes says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Finding {
    pub(crate) suspicions: Vec<Suspicion>,
    pub(crate) undecided: Vec<String>,
}

impl Finding {
    pub(crate) fn is_safe(&self) -> bool {
        self.suspicions.is_empty() && self.undecided.is_empty()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.suspicions.extend(other.suspicions);
        self.undecided.extend(other.undecided);
    }

    pub(crate) fn undecided(reason: impl Into<String>) -> Self {
        Self { suspicions: vec![], undecided: vec![reason.into()] }
    }
}

impl From<Suspicion> for Finding {
    fn from(suspicion: Suspicion) -> Self {
        Self { suspicions: vec![suspicion], undecided: vec![] }
    }
}

type Pair = (Vec<*const Value>, Vec<*const Value>);

/// A writer's document beside a reader's.
pub(crate) struct Differ<'a> {
    pub(crate) writer: &'a Document,
    pub(crate) reader: &'a Document,
    pub(crate) sampler: Sampler<'a>,
    open: RefCell<Vec<Pair>>,
    steps: Cell<u32>,
}

impl<'a> Differ<'a> {
    pub(crate) fn new(writer: &'a Document, reader: &'a Document) -> Self {
        let sampler = Sampler { document: writer, writes: true };
        Self { writer, reader, sampler, open: RefCell::default(), steps: Cell::new(0) }
    }

    /// Compares the two documents as a whole.
    pub(crate) fn compare(&self) -> Finding {
        self.nodes(&root(self.writer), &root(self.reader), true)
    }

    /// Whether a reader of one node takes everything that is written as another.
    pub(crate) fn nodes(&self, written: &Node<'a>, read: &Node<'a>, top: bool) -> Finding {
        let addresses = |node: &Node<'a>| node.iter().map(|part| std::ptr::from_ref::<Value>(part)).collect();
        let pair = (addresses(written), addresses(read));
        // A pair within itself: it is safe if everything else in it is, and that is being looked at.
        if self.open.borrow().contains(&pair) {
            return Finding::default();
        }
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return Finding::undecided("the schemas are too large to go through");
        }
        self.open.borrow_mut().push(pair);
        let finding = self.in_shapes(written, read, top).unwrap_or_else(Finding::undecided);
        self.open.borrow_mut().pop();
        finding
    }

    fn in_shapes(&self, written: &Node<'a>, read: &Node<'a>, top: bool) -> Result<Finding, String> {
        let closed = is_closed(self.writer, written, top);
        let readers = shapes(self.reader, read)?;
        let mut finding = Finding::default();
        for shape in shapes(self.writer, written)? {
            if let Some(values) = &shape.values {
                finding.add(self.listed(values, &shape, read));
                continue;
            }
            // A condition may name fields that the shape does not know; then nothing is left out.
            let closed = closed && !shape.has_conditions();
            for kind in &shape.kinds {
                finding.add(self.kind(&shape.only(*kind), *kind, &readers, closed));
            }
        }
        Ok(finding)
    }

    fn listed(&self, values: &[&Value], shape: &Shape<'a>, read: &Node<'a>) -> Finding {
        let mut finding = Finding::default();
        for value in values.iter().filter(|value| shape.kinds.contains(&Kind::of(value))) {
            match accepts(self.reader, read, value) {
                Some(true) => {}
                Some(false) => {
                    let message = format!("the value {value} can be written and is not read");
                    finding.add(Suspicion::new(Rule::Value, message, vec![(*value).clone()]).into());
                }
                None => finding.add(Finding::undecided("a listed value could not be tried")),
            }
        }
        finding
    }

    fn kind(&self, shape: &Shape<'a>, kind: Kind, readers: &[Shape<'a>], closed: bool) -> Finding {
        let able: Vec<&Shape<'a>> = readers.iter().filter(|reader| reader.kinds.contains(&kind)).collect();
        if readers.is_empty() {
            let message = "it can be written, and the reader takes no value here";
            return Suspicion::new(Rule::Refused, message, self.of_shape(shape, closed)).into();
        }
        if able.is_empty() {
            let message = format!("{} can be written here and is not read", kind.name());
            return Suspicion::new(Rule::Type, message, self.of_shape(shape, closed)).into();
        }
        let mut all: Vec<(usize, Finding)> = vec![];
        for (index, reader) in able.iter().enumerate() {
            all.push((index, self.shapes(shape, reader, kind, closed)));
        }
        if let Some((chosen, _)) = all.iter().find(|(_, finding)| finding.is_safe()) {
            return self.alone(shape, *chosen, &able, kind);
        }
        self.nearest(shape, all, &able, closed)
    }

    /// Where exactly one variant may fit, the others must be shown to be apart from what is written.
    fn alone(&self, shape: &Shape<'a>, chosen: usize, able: &[&Shape<'a>], kind: Kind) -> Finding {
        let others = able.iter().enumerate().filter(|(index, other)| *index != chosen && other.exclusive);
        for (_, other) in others {
            if able[chosen].exclusive && !self.apart(shape, other, kind) {
                return Finding::undecided("more than one variant of a oneOf may fit");
            }
        }
        Finding::default()
    }

    /// Whether no value fits both: a field that one of them must have with other values, or other listed values.
    fn apart(&self, written: &Shape<'a>, read: &Shape<'a>, kind: Kind) -> bool {
        if let Some(values) = &read.values {
            return kind != Kind::Object
                && written
                    .values
                    .as_ref()
                    .is_some_and(|own| !own.iter().any(|one| values.iter().any(|other| equal(one, other))));
        }
        if kind != Kind::Object {
            return false;
        }
        let common = written.required().into_iter().filter(|name| read.names("properties").contains(name));
        common.into_iter().any(|name| {
            let (Ok(own), Ok(other)) = (written.field(name, false), read.field(name, false)) else { return false };
            let (Ok(own), Ok(other)) = (shapes(self.writer, &own), shapes(self.reader, &other)) else { return false };
            own.iter().all(|own| other.iter().all(|other| separate(own, other)))
        })
    }

    /// No variant takes all of it: tell of the one that was most likely meant.
    fn nearest(&self, shape: &Shape<'a>, all: Vec<(usize, Finding)>, able: &[&Shape<'a>], closed: bool) -> Finding {
        let kind = *shape.kinds.first().unwrap_or(&Kind::Null);
        let several = all.len() > 1;
        let near = all.into_iter().filter(|(index, _)| !several || !self.apart(shape, able[*index], kind));
        let near = near.min_by_key(|(_, finding)| (finding.suspicions.len(), finding.undecided.len()));
        let tries = self.of_shape(shape, closed);
        let mut finding = match near {
            Some((_, finding)) => finding,
            None => {
                Suspicion::new(Rule::Variant, "a variant can be written that no variant reads", tries.clone()).into()
            }
        };
        if several && !finding.suspicions.is_empty() {
            let message = "what can be written fits no single variant of what is read";
            finding.add(Suspicion::new(Rule::Variant, message, tries).into());
        }
        finding
    }

    /// Values of a shape of the writer's.
    fn of_shape(&self, shape: &Shape<'a>, closed: bool) -> Vec<Value> {
        self.sampler.of_shape(shape, closed)
    }
}

/// Whether two shapes have no value in common.
fn separate(one: &Shape<'_>, other: &Shape<'_>) -> bool {
    if one.kinds.is_disjoint(&other.kinds) {
        return true;
    }
    match (&one.values, &other.values) {
        (Some(one), Some(other)) => !one.iter().any(|value| other.iter().any(|known| equal(value, known))),
        _ => false,
    }
}
