//! Generates documents from a schema, shortest first. They are candidates: a validator checks them.

use serde_json::{Map, Value, json};

use crate::{
    document::Document,
    named::is_closed,
    scalars::{matching, numbers, texts},
    shape::{Node, Shape, shapes},
    values::Kind,
};

const DEEPEST: usize = 12;
/// A generator of values for a document's schemas.
pub(crate) struct Sampler<'a> {
    pub(crate) document: &'a Document,
    /// Whether it generates what a writer writes (closed), or only fills in required parts.
    pub(crate) writes: bool,
}

impl<'a> Sampler<'a> {
    /// Returns the smallest value of a node that it finds.
    pub(crate) fn smallest(&self, node: &Node<'a>, depth: usize) -> Option<Value> {
        if depth > DEEPEST {
            return None;
        }
        let mut found: Vec<Value> = vec![];
        for shape in shapes(self.document, node).ok()? {
            let closed = self.writes && is_closed(self.document, node, false);
            found.extend(shape.kinds.iter().filter_map(|kind| self.of_kind(&shape, *kind, closed, depth)));
        }
        found.into_iter().min_by_key(|value| value.to_string().len())
    }

    fn of_kind(&self, shape: &Shape<'a>, kind: Kind, closed: bool, depth: usize) -> Option<Value> {
        if let Some(values) = &shape.values {
            return values.iter().find(|value| Kind::of(value) == kind).map(|value| (*value).clone());
        }
        match kind {
            Kind::Null => Some(Value::Null),
            Kind::Boolean => Some(Value::Bool(true)),
            Kind::Whole | Kind::Fraction => numbers(shape, kind).into_iter().next(),
            Kind::Text => texts(shape).into_iter().next(),
            Kind::List => self.list(shape, shape.least("minItems") as usize, None, depth),
            Kind::Object => self.object(shape, closed, &[], depth),
        }
    }

    /// Returns a list of a given length, with one item set.
    pub(crate) fn list(
        &self,
        shape: &Shape<'a>,
        length: usize,
        set: Option<(usize, &Value)>,
        depth: usize,
    ) -> Option<Value> {
        if length > 300 {
            return None;
        }
        let mut items = vec![];
        for place in 0..length {
            let item = match set {
                Some((chosen, value)) if chosen == place => value.clone(),
                _ => self.smallest(&shape.item(place), depth + 1)?,
            };
            items.push(item);
        }
        if shape.says("uniqueItems") {
            for place in 1..items.len() {
                let node = shape.item(place);
                let kinds = self.variety(&node);
                let taken = items[..place].to_vec();
                if set.is_none_or(|(chosen, _)| chosen != place) && taken.contains(&items[place]) {
                    items[place] = kinds.into_iter().find(|value| !taken.contains(value))?;
                }
            }
        }
        Some(Value::Array(items))
    }

    /// Returns the smallest object with some fields set.
    pub(crate) fn object(
        &self,
        shape: &Shape<'a>,
        closed: bool,
        set: &[(&str, &Value)],
        depth: usize,
    ) -> Option<Value> {
        let mut fields = Map::new();
        let mut needed: Vec<String> = shape.required().iter().map(|name| (*name).to_owned()).collect();
        for (name, _) in set {
            needed.extend(shape.dependents(name).iter().map(|name| (*name).to_owned()));
        }
        for name in needed {
            if !set.iter().any(|(known, _)| *known == name) {
                let node = shape.field(&name, closed).ok()?;
                fields.insert(name, self.smallest(&node, depth + 1)?);
            }
        }
        for (name, value) in set {
            fields.insert((*name).to_owned(), (*value).clone());
        }
        self.fill(&mut fields, shape, closed, shape.least("minProperties") as usize, depth);
        Some(Value::Object(fields))
    }

    /// Returns objects with a given number of fields.
    pub(crate) fn with_fields(&self, shape: &Shape<'a>, closed: bool, count: u64) -> Vec<Value> {
        let mut fields = match self.object(shape, closed, &[], 0) {
            Some(Value::Object(fields)) if count <= 300 => fields,
            _ => return vec![],
        };
        self.fill(&mut fields, shape, closed, count as usize, 0);
        vec![Value::Object(fields)]
    }

    fn fill(&self, fields: &mut Map<String, Value>, shape: &Shape<'a>, closed: bool, least: usize, depth: usize) {
        let mut names: Vec<String> = shape.names("properties").iter().map(|name| (*name).to_owned()).collect();
        names.extend(shape.names("patternProperties").iter().filter_map(|pattern| matching(pattern)));
        names.extend((0..least.min(300)).map(|index| format!("k{index}")));
        for name in names {
            if fields.len() >= least {
                return;
            }
            let Ok(node) = shape.field(&name, closed) else { return };
            if let (false, Some(value)) = (fields.contains_key(&name), self.smallest(&node, depth + 1)) {
                fields.insert(name, value);
            }
        }
    }

    /// Returns various values of a node: each type, each listed value, values at the bounds, each field.
    pub(crate) fn variety(&self, node: &Node<'a>) -> Vec<Value> {
        self.varied(node, 0)
    }

    fn varied(&self, node: &Node<'a>, depth: usize) -> Vec<Value> {
        let mut found = vec![];
        if depth > 3 {
            return self.smallest(node, depth).into_iter().collect();
        }
        let closed = self.writes && is_closed(self.document, node, depth == 0);
        for shape in shapes(self.document, node).unwrap_or_default() {
            self.vary_shape(&shape, closed, depth, &mut found);
        }
        found.truncate(400);
        found
    }

    /// Returns various values of one shape.
    pub(crate) fn of_shape(&self, shape: &Shape<'a>, closed: bool) -> Vec<Value> {
        let mut found = vec![];
        self.vary_shape(shape, closed, 2, &mut found);
        found.truncate(100);
        found
    }

    fn vary_shape(&self, shape: &Shape<'a>, closed: bool, depth: usize, found: &mut Vec<Value>) {
        if let Some(values) = &shape.values {
            found.extend(values.iter().map(|value| (*value).clone()));
            return;
        }
        for kind in &shape.kinds {
            match kind {
                Kind::Null => found.push(Value::Null),
                Kind::Boolean => found.extend([json!(true), json!(false)]),
                Kind::Whole | Kind::Fraction => found.extend(numbers(shape, *kind)),
                Kind::Text => found.extend(texts(shape)),
                Kind::List => self.vary_list(shape, depth, found),
                Kind::Object => self.vary_object(shape, closed, depth, found),
            }
        }
    }

    fn vary_list(&self, shape: &Shape<'a>, depth: usize, found: &mut Vec<Value>) {
        let least = shape.least("minItems") as usize;
        let most = shape.most("maxItems").map_or(least.saturating_add(3), |most| most as usize);
        found.extend(
            [least, least.saturating_add(1), least.saturating_add(2), most]
                .iter()
                .filter_map(|length| self.list(shape, *length, None, depth)),
        );
        for place in 0..=shape.places() {
            for value in self.varied(&shape.item(place), depth + 1).into_iter().take(40) {
                found.extend(self.list(shape, least.max(place + 1), Some((place, &value)), depth));
            }
        }
    }

    fn vary_object(&self, shape: &Shape<'a>, closed: bool, depth: usize, found: &mut Vec<Value>) {
        found.extend(self.object(shape, closed, &[], depth));
        let mut names: Vec<String> = shape.names("properties").iter().map(|name| (*name).to_owned()).collect();
        names.extend(shape.required().iter().map(|name| (*name).to_owned()));
        names.extend(shape.names("patternProperties").iter().filter_map(|pattern| matching(pattern)));
        names.push("a_field_of_tomorrow".to_owned());
        let mut full: Vec<(String, Value)> = vec![];
        for name in names {
            let Ok(node) = shape.field(&name, closed) else { continue };
            full.extend(self.smallest(&node, depth + 1).map(|value| (name.clone(), value)));
            for value in self.varied(&node, depth + 1).into_iter().take(40) {
                found.extend(self.object(shape, closed, &[(&name, &value)], depth));
            }
        }
        let set: Vec<(&str, &Value)> = full.iter().map(|(name, value)| (name.as_str(), value)).collect();
        found.extend(self.object(shape, closed, &set, depth));
    }
}
