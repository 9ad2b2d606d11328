//! Our own engine: compares the writer's and the reader's schema side by side, rule by rule.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
};

use serde_json::Value;

use crate::{
    document::Document,
    named::is_closed,
    rule::Rule,
    sample::Sampler,
    shape::{Node, Shape, root, shapes},
    values::{Kind, equal},
    witness::of_node,
};

/// More steps than any real pair of schemas needs.
const MOST_STEPS: u32 = 20_000;

/// A rule that the reader may violate, and values that may demonstrate it.
#[derive(Clone, Debug)]
pub(crate) struct Suspicion {
    pub(crate) path: String,
    pub(crate) rule: Rule,
    pub(crate) message: String,
    pub(crate) tries: Vec<Value>,
    /// The schemas that it comes from, to recognize it again in recursive schemas.
    pub(crate) origin: Option<Pair>,
}

impl Suspicion {
    pub(crate) fn new(rule: Rule, message: impl Into<String>, tries: Vec<Value>) -> Self {
        Self { path: String::new(), rule, message: message.into(), tries, origin: None }
    }
}

/// The result of comparing two nodes.
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

/// The writer's and the reader's schemas, by address.
pub(crate) type Pair = (Vec<*const Value>, Vec<*const Value>);

/// A writer's document and a reader's, under comparison.
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

    /// Compares the two documents.
    pub(crate) fn compare(&self) -> Finding {
        self.nodes(&root(self.writer), &root(self.reader), true)
    }

    /// Whether a reader of one node accepts everything that is written as another.
    pub(crate) fn nodes(&self, written: &Node<'a>, read: &Node<'a>, top: bool) -> Finding {
        let addresses = |node: &Node<'a>| node.iter().map(|part| std::ptr::from_ref::<Value>(part)).collect();
        let pair = (addresses(written), addresses(read));
        // A recursive pair is safe if everything else in it is, and that is being checked.
        if self.open.borrow().contains(&pair) {
            return Finding::default();
        }
        self.steps.set(self.steps.get() + 1);
        if self.steps.get() > MOST_STEPS {
            return Finding::undecided("the schemas are too large to compare");
        }
        self.open.borrow_mut().push(pair.clone());
        let mut finding = self.in_shapes(written, read, top).unwrap_or_else(Finding::undecided);
        self.open.borrow_mut().pop();
        for suspicion in &mut finding.suspicions {
            suspicion.origin.get_or_insert_with(|| pair.clone());
        }
        finding
    }

    fn in_shapes(&self, written: &Node<'a>, read: &Node<'a>, top: bool) -> Result<Finding, String> {
        let closed = is_closed(self.writer, written, top);
        let readers = shapes(self.reader, read)?;
        let writers = shapes(self.writer, written)?;
        let read_kinds: BTreeSet<Kind> = readers.iter().flat_map(|shape| shape.kinds.iter().copied()).collect();
        let meets = writers.iter().any(|shape| !shape.kinds.is_disjoint(&read_kinds));
        let other_kind = if meets { Rule::Type } else { Rule::OtherType };
        let mut finding = Finding::default();
        for shape in writers {
            if let Some(values) = &shape.values {
                finding.add(self.listed(values, &shape, read));
                continue;
            }
            // A condition may name fields that the shape does not know; then the shape is not closed.
            let closed = closed && !shape.has_conditions();
            for kind in &shape.kinds {
                finding.add(self.kind(&shape.only(*kind), *kind, &readers, closed, other_kind));
            }
        }
        Ok(finding)
    }

    fn listed(&self, values: &[&Value], shape: &Shape<'a>, read: &Node<'a>) -> Finding {
        let Some(reader) = of_node(self.reader, read) else {
            return Finding::undecided("the listed values could not be tried");
        };
        let mut finding = Finding::default();
        for value in values.iter().filter(|value| shape.kinds.contains(&Kind::of(value)) && !reader.is_valid(value)) {
            let message = format!("the value {value} can be written, but is not read");
            finding.add(Suspicion::new(Rule::Value, message, vec![(*value).clone()]).into());
        }
        finding
    }

    fn kind(&self, shape: &Shape<'a>, kind: Kind, readers: &[Shape<'a>], closed: bool, other_kind: Rule) -> Finding {
        if readers.is_empty() {
            let message = "it can be written, but the reader accepts no value here";
            return Suspicion::new(Rule::Refused, message, self.sampler.of_shape(shape, closed)).into();
        }
        let able: Vec<&Shape<'a>> = readers.iter().filter(|reader| reader.kinds.contains(&kind)).collect();
        if able.is_empty() {
            let message = format!("{} can be written here, but is not read", kind.name());
            return Suspicion::new(other_kind, message, self.sampler.of_shape(shape, closed)).into();
        }
        let several = able.len() > 1;
        let mut near = vec![];
        for (index, reader) in able.iter().enumerate() {
            if several && self.apart(shape, reader, kind) {
                continue;
            }
            let finding = self.shapes(shape, reader, kind, closed);
            if finding.is_safe() {
                return self.alone(shape, index, &able, kind);
            }
            near.push(finding);
        }
        if near.is_empty() {
            let meant = able.iter().filter(|reader| !self.marked_apart(shape, reader));
            near.extend(meant.map(|reader| self.shapes(shape, reader, kind, closed)));
        }
        self.nearest(shape, near, closed)
    }

    /// If exactly one variant may match, the others must be shown to be disjoint from what is written.
    fn alone(&self, shape: &Shape<'a>, chosen: usize, able: &[&Shape<'a>], kind: Kind) -> Finding {
        let others = able.iter().enumerate().filter(|(index, other)| *index != chosen && other.exclusive);
        for (_, other) in others {
            if able[chosen].exclusive && !self.apart(shape, other, kind) {
                return Finding::undecided("more than one variant of a oneOf may fit");
            }
        }
        Finding::default()
    }

    /// Whether no value fits both: their listed values, or those of a field that one of them requires, are disjoint.
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
        self.differ_in_a_field(written, read, &separate)
    }

    /// Whether a discriminator field has disjoint listed values on the two sides.
    fn marked_apart(&self, written: &Shape<'a>, read: &Shape<'a>) -> bool {
        let marked = |one: &Shape<'_>, other: &Shape<'_>| one.values.is_some() && other.values.is_some();
        self.differ_in_a_field(written, read, &|one, other| marked(one, other) && separate(one, other))
    }

    fn differ_in_a_field(
        &self,
        written: &Shape<'a>,
        read: &Shape<'a>,
        differ: &dyn Fn(&Shape<'a>, &Shape<'a>) -> bool,
    ) -> bool {
        let common = written.required().into_iter().filter(|name| read.names("properties").contains(name));
        common.into_iter().any(|name| {
            let (Ok(own), Ok(other)) = (written.field(name, false), read.field(name, false)) else { return false };
            let (Ok(own), Ok(other)) = (shapes(self.writer, &own), shapes(self.reader, &other)) else { return false };
            own.iter().all(|own| other.iter().all(|other| differ(own, other)))
        })
    }

    /// No variant accepts everything: reports the variant that was most likely meant.
    fn nearest(&self, shape: &Shape<'a>, near: Vec<Finding>, closed: bool) -> Finding {
        let several = near.len() > 1;
        let tries = self.sampler.of_shape(shape, closed);
        let Some(mut finding) = near.into_iter().min_by_key(|near| (near.suspicions.len(), near.undecided.len()))
        else {
            let message = "a variant can be written that matches no variant of the reader";
            return Suspicion::new(Rule::Variant, message, tries).into();
        };
        if several && !finding.suspicions.is_empty() {
            let message = "what can be written does not match a single variant of the reader";
            finding.add(Suspicion::new(Rule::Variant, message, tries).into());
        }
        finding
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
