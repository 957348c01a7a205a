//! The structure of the code: no file imports, by whatever way round, from one that imports it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, UseTree};

/// A module by its path from the root of its crate, which has none.
type Module = Vec<String>;

/// The modules of a crate, each a file.
#[derive(Default)]
struct Crate {
    files: BTreeMap<Module, PathBuf>,
    /// What a module passes on under its own name: by module and name, the path where it is found.
    passed_on: BTreeMap<(Module, String), Vec<String>>,
    /// Whose items all appear in a module: `pub use child::*`.
    opened: BTreeMap<Module, Vec<Module>>,
    /// The names that each module defines.
    defined: BTreeSet<(Module, String)>,
    /// The paths that each module names, from the root.
    named: Vec<(Module, Vec<String>)>,
}

impl Crate {
    fn read(source: &Path) -> Self {
        let mut found = Self::default();
        found.find_files(source, &[]);
        for (module, path) in found.files.clone() {
            found.read_file(&path, module);
        }
        found
    }

    /// The files are looked for where modules lie, since a registry's macro declares some of them.
    fn find_files(&mut self, directory: &Path, module: &[String]) {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let stem = path
                .file_stem()
                .expect("a name")
                .to_string_lossy()
                .into_owned();
            let child = [module, std::slice::from_ref(&stem)].concat();
            match (path.is_dir(), stem.as_str()) {
                (true, _) => self.find_files(&path, &child),
                (false, "tests") => {}
                (false, _) if path.extension().is_none_or(|extension| extension != "rs") => {}
                (false, "lib" | "main" | "mod") => {
                    self.files.insert(module.to_vec(), path);
                }
                (false, _) => {
                    self.files.insert(child, path);
                }
            }
        }
    }

    fn read_file(&mut self, path: &Path, module: Module) {
        let text = fs::read_to_string(path).expect("a file");
        let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        for name in file.items.iter().filter_map(name_of) {
            self.defined.insert((module.clone(), name));
        }
        let mut paths = Paths {
            found: self,
            module,
            imported: BTreeMap::new(),
        };
        paths.import(&file.items);
        paths.visit_file(&file);
    }

    /// The module that defines what a path from the root names.
    fn module_of(&self, path: &[String]) -> Option<Module> {
        let known = |length: &usize| self.files.contains_key(&path[..*length]);
        let length = (0..=path.len()).rev().find(known)?;
        let (module, rest) = path.split_at(length);
        let defining = rest.first().and_then(|name| self.definition(module, name));
        Some(defining.unwrap_or_else(|| module.to_vec()))
    }

    fn definition(&self, module: &[String], name: &str) -> Option<Module> {
        let key = (module.to_vec(), name.to_owned());
        if self.defined.contains(&key) {
            return Some(module.to_vec());
        }
        if let Some(path) = self.passed_on.get(&key) {
            return self.module_of(path);
        }
        let opened = self.opened.get(module).into_iter().flatten();
        opened
            .filter(|child| child.as_slice() != module)
            .find_map(|child| self.definition(child, name))
    }

    /// Which modules each module needs.
    fn arrows(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let mut arrows: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for (from, path) in &self.named {
            if let Some(to) = self.module_of(path).filter(|to| to != from) {
                arrows.entry(from).or_default().insert(to);
            }
        }
        arrows
    }

    /// The shortest ways from modules back to themselves.
    fn circles(&self) -> BTreeSet<String> {
        let arrows = self.arrows();
        let ways = arrows.keys().filter_map(|start| way_back(start, &arrows));
        let ways = ways.map(|mut way| {
            // The same circle has the same name, wherever it is entered.
            let first = (0..way.len()).min_by_key(|&place| way[place]);
            way.rotate_left(first.unwrap_or(0));
            way.push(way[0]);
            let names: Vec<String> = way.into_iter().map(name).collect();
            names.join(" -> ")
        });
        ways.collect()
    }
}

/// The shortest way from a module back to itself, by looking at all that is near before what is far.
fn way_back<'a>(
    start: &'a Module,
    arrows: &'a BTreeMap<&'a Module, BTreeSet<Module>>,
) -> Option<Vec<&'a Module>> {
    let mut ways = vec![vec![start]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            for next in arrows.get(way[way.len() - 1]).into_iter().flatten() {
                if next == start {
                    return Some(way);
                }
                if seen.insert(next) {
                    longer.push([way.clone(), vec![next]].concat());
                }
            }
        }
        ways = longer;
    }
    None
}

fn name(module: &Module) -> String {
    match module.is_empty() {
        true => "crate".into(),
        false => module.join("::"),
    }
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::Type(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

/// What stands there for tests alone may import what it likes.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Meta>()
                .is_ok_and(|meta| quotes_test(&meta))
    })
}

/// Whether a condition holds in tests alone.
fn quotes_test(meta: &syn::Meta) -> bool {
    let every = syn::punctuated::Punctuated::<syn::Meta, syn::Token![,]>::parse_terminated;
    match meta {
        syn::Meta::Path(path) => path.is_ident("test"),
        syn::Meta::List(list) if list.path.is_ident("all") => {
            let conditions = list.parse_args_with(every).into_iter().flatten();
            conditions.into_iter().any(|meta| quotes_test(&meta))
        }
        syn::Meta::List(_) | syn::Meta::NameValue(_) => false,
    }
}

/// Finds the paths that a module names.
struct Paths<'a> {
    found: &'a mut Crate,
    module: Module,
    /// What the names that the module imports stand for, from the root.
    imported: BTreeMap<String, Vec<String>>,
}

impl Paths<'_> {
    /// A path from the root of the crate; nothing where it leads out of it.
    fn root_path(&self, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([self.module.clone(), rest.to_vec()].concat()),
            "super" => {
                let mut module = self.module.clone();
                let mut rest = path;
                while let Some((_, after)) = rest.split_first().filter(|(name, _)| *name == "super")
                {
                    module.pop();
                    rest = after;
                }
                Some([module, rest.to_vec()].concat())
            }
            first => {
                let child = [self.module.clone(), vec![first.to_owned()]].concat();
                if self.found.files.contains_key(&child) {
                    return Some([self.module.clone(), path.to_vec()].concat());
                }
                let imported = self.imported.get(first)?.clone();
                Some([imported, rest.to_vec()].concat())
            }
        }
    }

    /// Notes what the file's own `use` items give names to, wherever they stand in it.
    fn import(&mut self, items: &[Item]) {
        for item in items {
            let Item::Use(item) = item else { continue };
            let mut leaves = Vec::new();
            gather(&item.tree, Vec::new(), &mut leaves);
            for (path, name) in leaves {
                if let Some(from_root) = self.root_path(&path) {
                    self.imported.insert(name, from_root);
                }
            }
        }
    }

    /// Whether a path from the root leads into a child of the module.
    fn is_below(&self, from_root: &[String]) -> bool {
        let child = from_root.get(..=self.module.len());
        child.is_some_and(|child| {
            child.starts_with(&self.module) && self.found.files.contains_key(child)
        })
    }

    fn name(&mut self, path: &[String]) {
        if let Some(path) = self.root_path(path) {
            self.found.named.push((self.module.clone(), path));
        }
    }
}

impl<'ast> Visit<'ast> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_test(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_visible = !matches!(item.vis, syn::Visibility::Inherited);
        let mut leaves = Vec::new();
        gather(&item.tree, Vec::new(), &mut leaves);
        for (path, name) in leaves {
            let Some(from_root) = self.root_path(&path) else {
                continue;
            };
            if is_visible && !self.is_below(&from_root) {
                self.found
                    .named
                    .push((self.module.clone(), from_root.clone()));
            }
            match (is_visible, name.as_str()) {
                // What a module passes on of its child is no need of its own.
                (true, "*") => {
                    let opened = self.found.opened.entry(self.module.clone());
                    opened.or_default().push(from_root);
                }
                (true, _) => {
                    let key = (self.module.clone(), name);
                    self.found.passed_on.insert(key, from_root);
                }
                (false, _) => self.found.named.push((self.module.clone(), from_root)),
            }
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.segments.len() > 1 {
            let segments = path.segments.iter();
            let segments: Vec<_> = segments.map(|segment| segment.ident.to_string()).collect();
            self.name(&segments);
        }
        visit::visit_path(self, path);
    }

    /// The arguments of a macro are no syntax tree, so their paths are looked for among the tokens.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        for path in paths_among(call.tokens.clone()) {
            self.name(&path);
        }
        visit::visit_macro(self, call);
    }
}

/// Names that are joined by `::`.
fn paths_among(tokens: proc_macro2::TokenStream) -> Vec<Vec<String>> {
    use proc_macro2::TokenTree;
    let (mut found, mut path, mut colons) = (Vec::new(), Vec::new(), 0);
    for token in tokens {
        match token {
            TokenTree::Punct(punct) if punct.as_char() == ':' => {
                colons += 1;
                continue;
            }
            TokenTree::Ident(ident) => {
                if colons != 2 {
                    found.push(std::mem::take(&mut path));
                }
                path.push(ident.to_string());
            }
            TokenTree::Group(group) => {
                found.push(std::mem::take(&mut path));
                found.extend(paths_among(group.stream()));
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => found.push(std::mem::take(&mut path)),
        }
        colons = 0;
    }
    found.push(path);
    found.retain(|path| path.len() > 1);
    found
}

/// The paths of a `use`, each with the name that it has from there on.
fn gather(tree: &UseTree, before: Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    let with = |name: &syn::Ident| [before.clone(), vec![name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => gather(&path.tree, with(&path.ident), found),
        UseTree::Name(name) if name.ident == "self" => {
            let last = before[before.len() - 1].clone();
            found.push((before, last));
        }
        UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
        UseTree::Rename(rename) => found.push((with(&rename.ident), rename.rename.to_string())),
        UseTree::Glob(_) => found.push((before, "*".into())),
        UseTree::Group(group) => {
            for tree in &group.items {
                gather(tree, before.clone(), found);
            }
        }
    }
}

fn crates() -> Vec<PathBuf> {
    let all = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let entries = fs::read_dir(all)
        .expect("the crates")
        .map(|entry| entry.expect("a crate"));
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

#[test]
fn no_file_imports_from_one_that_imports_it() {
    let mut circles = Vec::new();
    for path in crates() {
        let found = Crate::read(&path.join("src"));
        assert!(!found.files.is_empty(), "{}", path.display());
        let name = path.file_name().expect("a name").to_string_lossy();
        circles.extend(
            found
                .circles()
                .iter()
                .map(|circle| format!("{name}: {circle}")),
        );
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn a_circle_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect(name);
    write("lib.rs", "mod a; mod b; mod c; pub use c::C;");
    write("a.rs", "use crate::b::B; pub struct A;");
    write("b.rs", "use crate::C; pub struct B;");
    write("c.rs", "pub struct C;");
    let circles = || Vec::from_iter(Crate::read(folder.path()).circles());
    assert!(circles().is_empty());
    write("c.rs", "pub struct C; fn c() { super::a::A; }");
    assert_eq!(circles(), ["a -> b -> c -> a"]);
    write(
        "c.rs",
        "pub struct C; #[cfg(test)] mod tests { use crate::a::A; }",
    );
    assert!(circles().is_empty());
    for text in [
        "pub struct C; use crate::a; fn c() { a::A; }",
        "pub struct C; pub use crate::a::A;",
        "pub struct C; fn c() { println!(\"{}\", f(crate::a::A)); }",
        "pub struct C; #[cfg(not(test))] mod inner { use crate::a::A; }",
    ] {
        write("c.rs", text);
        assert_eq!(circles(), ["a -> b -> c -> a"], "{text}");
    }
}
