//! How much work a component asks of a validator, counted without validating.
//!
//! Three things cost more than their bytes, and small files can repeat them: copying an instance's or
//! component's type (its resources become fresh ones) wherever it is instantiated, imported or exported;
//! comparing expanded types when an instantiation is given its arguments; and matching a core module's imports
//! whenever it is instantiated. So every type has a weight, its expanded size, and the ledger adds up the
//! weights of what is declared and instantiated. Weights are upper bounds: what the ledger cannot resolve
//! weighs as much as the heaviest thing seen so far (`spec/components.md`, "Hostile input").

use std::collections::BTreeMap;
use std::rc::Rc;

use wasmparser::{
    ComponentAlias, ComponentDefinedType, ComponentExport, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentType, ComponentTypeDeclaration, ComponentTypeRef, ComponentValType,
    CoreType, InstanceTypeDeclaration, TypeBounds,
};

use super::names::check_declared;
use crate::limits::{NESTING_MAX, TYPE_DEPTH_MAX, WORK_MAX};
use crate::refused::{Refused, check_limit};

/// A type, component or instance.
#[derive(Clone)]
pub(super) struct Item<'a> {
    weight: u64,
    /// Longest chain of exports within exports: bounds recursion, also that of dropping.
    depth: u64,
    exports: Option<Rc<BTreeMap<&'a str, Item<'a>>>>,
}

const ATOM: Item<'static> = Item { weight: 1, depth: 0, exports: None };

/// The index spaces of one component or of one type's body.
#[derive(Default)]
struct Scope<'a> {
    types: Vec<Item<'a>>,
    components: Vec<Item<'a>>,
    instances: Vec<Item<'a>>,
    exports: BTreeMap<&'a str, Item<'a>>,
    weight: u64,
    depth: u64,
}

impl<'a> Scope<'a> {
    fn weigh(&mut self, item: &Item<'a>) {
        self.weight = self.weight.saturating_add(item.weight).saturating_add(1);
        self.depth = self.depth.max(item.depth);
    }
}

/// Adds up work over a whole file.
#[derive(Default)]
pub(super) struct Ledger<'a> {
    scopes: Vec<Scope<'a>>,
    heaviest: u64,
    work: u64,
    /// Instantiations of components.
    pub(super) instantiations: u64,
    /// Most exports of one component, component type or instance type.
    pub(super) exports_max: u64,
    core_instantiations: u64,
    core_externs_max: u64,
}

impl<'a> Ledger<'a> {
    /// All work so far.
    pub(super) fn work(&self) -> u64 {
        self.work.saturating_add(self.core_instantiations.saturating_mul(self.core_externs_max))
    }

    /// Begins a component or a type's body.
    pub(super) fn open(&mut self) -> Result<(), Refused> {
        check_limit("levels of nesting", self.scopes.len() as u64 + 1, NESTING_MAX)?;
        self.scopes.push(Scope::default());
        Ok(())
    }

    /// Ends it; what it amounts to.
    pub(super) fn close(&mut self) -> Result<Item<'a>, Refused> {
        let scope = self.scopes.pop().unwrap_or_default();
        self.finish(scope)
    }

    fn finish(&mut self, scope: Scope<'a>) -> Result<Item<'a>, Refused> {
        self.exports_max = self.exports_max.max(scope.exports.len() as u64);
        check_limit("types nested in types, levels", scope.depth + 1, TYPE_DEPTH_MAX)?;
        let weight = scope.weight.saturating_add(1);
        self.heaviest = self.heaviest.max(weight);
        Ok(Item { weight, depth: scope.depth + 1, exports: Some(Rc::new(scope.exports)) })
    }

    /// A nested component was defined.
    pub(super) fn component(&mut self, item: Item<'a>) -> Result<(), Refused> {
        self.push(ComponentExternalKind::Component, item)
    }

    /// A core module or module type with so many imports and exports was met.
    pub(super) fn core_module(&mut self, externs: u64) -> Result<(), Refused> {
        self.core_externs_max = self.core_externs_max.max(externs);
        self.check()
    }

    /// A core module was instantiated.
    pub(super) fn core_instantiation(&mut self) -> Result<(), Refused> {
        self.core_instantiations += 1;
        self.check()
    }

    /// A core type was defined.
    pub(super) fn core_type(&mut self, ty: &CoreType<'a>) -> Result<(), Refused> {
        if let CoreType::Module(declarations) = ty {
            self.core_module(declarations.len() as u64)
        } else {
            Ok(())
        }
    }

    /// A type was defined.
    pub(super) fn define(&mut self, ty: &ComponentType<'a>) -> Result<(), Refused> {
        let item = match ty {
            ComponentType::Resource { .. } => ATOM,
            ComponentType::Defined(defined) => self.defined(defined),
            ComponentType::Func(func) => self.sum(func.params.iter().map(|(_, ty)| *ty).chain(func.result)),
            ComponentType::Instance(declarations) => {
                self.open()?;
                declarations.iter().try_for_each(|d| self.instance_declaration(d))?;
                self.close()?
            }
            ComponentType::Component(declarations) => {
                self.open()?;
                declarations.iter().try_for_each(|d| self.component_declaration(d))?;
                self.close()?
            }
        };
        self.push(ComponentExternalKind::Type, item)
    }

    fn component_declaration(&mut self, declaration: &ComponentTypeDeclaration<'a>) -> Result<(), Refused> {
        match declaration {
            ComponentTypeDeclaration::CoreType(ty) => self.core_type(ty),
            ComponentTypeDeclaration::Type(ty) => self.define(ty),
            ComponentTypeDeclaration::Alias(alias) => self.alias(alias),
            ComponentTypeDeclaration::Export { name, ty } => {
                check_declared(name)?;
                self.export_of(name.name, *ty)
            }
            ComponentTypeDeclaration::Import(import) => {
                check_declared(&import.name)?;
                self.import(import.ty)
            }
        }
    }

    fn instance_declaration(&mut self, declaration: &InstanceTypeDeclaration<'a>) -> Result<(), Refused> {
        match declaration {
            InstanceTypeDeclaration::CoreType(ty) => self.core_type(ty),
            InstanceTypeDeclaration::Type(ty) => self.define(ty),
            InstanceTypeDeclaration::Alias(alias) => self.alias(alias),
            InstanceTypeDeclaration::Export { name, ty } => {
                check_declared(name)?;
                self.export_of(name.name, *ty)
            }
        }
    }

    /// Something of this type was imported.
    pub(super) fn import(&mut self, ty: ComponentTypeRef) -> Result<(), Refused> {
        let item = self.referred(ty);
        self.push(ty.kind(), item.clone())?;
        self.declared(&item)
    }

    /// A type's body exports something of this type.
    fn export_of(&mut self, name: &'a str, ty: ComponentTypeRef) -> Result<(), Refused> {
        let item = self.referred(ty);
        self.push(ty.kind(), item.clone())?;
        self.exported(name, item)
    }

    /// A component exports one of its items.
    pub(super) fn export(&mut self, export: &ComponentExport<'a>) -> Result<(), Refused> {
        let item = match export.ty {
            Some(ty) => self.referred(ty),
            None => self.indexed(export.kind, export.index),
        };
        self.push(export.kind, item.clone())?;
        self.exported(export.name.name, item)
    }

    /// An instance was made.
    pub(super) fn instance(&mut self, instance: &ComponentInstance<'a>) -> Result<(), Refused> {
        let item = match instance {
            ComponentInstance::Instantiate { component_index, .. } => {
                self.instantiations += 1;
                let item = self.indexed(ComponentExternalKind::Component, *component_index);
                self.add(item.weight)?;
                item
            }
            ComponentInstance::FromExports(exports) => {
                let mut made = Scope::default();
                for export in exports {
                    check_declared(&export.name)?;
                    let item = self.indexed(export.kind, export.index);
                    self.add(item.weight.saturating_add(1))?;
                    made.weigh(&item);
                    made.exports.insert(export.name.name, item);
                }
                self.finish(made)?
            }
        };
        self.push(ComponentExternalKind::Instance, item)
    }

    /// An alias was made.
    pub(super) fn alias(&mut self, alias: &ComponentAlias<'a>) -> Result<(), Refused> {
        match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                let instance = self.scope().instances.get(instance_index as usize);
                let item = instance.and_then(|i| i.exports.as_ref()).and_then(|e| e.get(name)).cloned();
                let item = item.unwrap_or_else(|| self.unknown());
                self.push(kind, item)
            }
            ComponentAlias::Outer { kind, count, index } => {
                let kind = match kind {
                    ComponentOuterAliasKind::Type => ComponentExternalKind::Type,
                    ComponentOuterAliasKind::Component => ComponentExternalKind::Component,
                    ComponentOuterAliasKind::CoreModule | ComponentOuterAliasKind::CoreType => return Ok(()),
                };
                let scope = self.scopes.iter().rev().nth(count as usize);
                let item = scope.and_then(|scope| space(scope, kind)?.get(index as usize)).cloned();
                let item = item.unwrap_or_else(|| self.unknown());
                self.push(kind, item)
            }
            ComponentAlias::CoreInstanceExport { .. } => Ok(()),
        }
    }

    fn exported(&mut self, name: &'a str, item: Item<'a>) -> Result<(), Refused> {
        self.declared(&item)?;
        self.scope().exports.insert(name, item);
        Ok(())
    }

    /// Counts an import or export both as work and as weight of what it stands in.
    fn declared(&mut self, item: &Item<'a>) -> Result<(), Refused> {
        self.scope().weigh(item);
        self.add(item.weight.saturating_add(1))
    }

    fn add(&mut self, steps: u64) -> Result<(), Refused> {
        self.work = self.work.saturating_add(steps);
        self.check()
    }

    fn check(&self) -> Result<(), Refused> {
        let work = self.work();
        if work > WORK_MAX { Err(Refused::TooCostly { work, max: WORK_MAX }) } else { Ok(()) }
    }

    fn scope(&mut self) -> &mut Scope<'a> {
        if self.scopes.is_empty() {
            self.scopes.push(Scope::default());
        }
        let last = self.scopes.len() - 1;
        &mut self.scopes[last]
    }

    /// Stands for what cannot be resolved: either the file is invalid, or it is something seen before.
    fn unknown(&self) -> Item<'a> {
        Item { weight: self.heaviest.max(1), depth: 0, exports: None }
    }

    fn push(&mut self, kind: ComponentExternalKind, item: Item<'a>) -> Result<(), Refused> {
        let scope = self.scope();
        match kind {
            ComponentExternalKind::Type => scope.types.push(item),
            ComponentExternalKind::Component => scope.components.push(item),
            ComponentExternalKind::Instance => scope.instances.push(item),
            ComponentExternalKind::Module | ComponentExternalKind::Func | ComponentExternalKind::Value => {}
        }
        self.add(1)
    }

    fn indexed(&mut self, kind: ComponentExternalKind, index: u32) -> Item<'a> {
        match space(self.scope(), kind) {
            None => ATOM,
            Some(space) => space.get(index as usize).cloned().unwrap_or_else(|| self.unknown()),
        }
    }

    fn referred(&mut self, ty: ComponentTypeRef) -> Item<'a> {
        match ty {
            ComponentTypeRef::Module(_) | ComponentTypeRef::Type(TypeBounds::SubResource) => ATOM,
            ComponentTypeRef::Value(ty) => self.sum([ty].into_iter()),
            ComponentTypeRef::Func(index)
            | ComponentTypeRef::Type(TypeBounds::Eq(index))
            | ComponentTypeRef::Instance(index)
            | ComponentTypeRef::Component(index) => self.indexed(ComponentExternalKind::Type, index),
        }
    }

    fn sum(&mut self, types: impl Iterator<Item = ComponentValType>) -> Item<'a> {
        let weight = types.fold(1u64, |sum, ty| {
            sum.saturating_add(match ty {
                ComponentValType::Primitive(_) => 1,
                ComponentValType::Type(index) => self.indexed(ComponentExternalKind::Type, index).weight,
            })
        });
        self.heaviest = self.heaviest.max(weight);
        Item { weight, depth: 0, exports: None }
    }

    fn defined(&mut self, ty: &ComponentDefinedType<'_>) -> Item<'a> {
        use ComponentDefinedType as T;
        match ty {
            T::Primitive(_) | T::Own(_) | T::Borrow(_) => ATOM,
            T::Flags(names) | T::Enum(names) => {
                Item { weight: names.len() as u64 + 1, depth: 0, exports: None }
            }
            T::Record(fields) => self.sum(fields.iter().map(|(_, ty)| *ty)),
            T::Variant(cases) => {
                let mut item = self.sum(cases.iter().filter_map(|case| case.ty));
                item.weight = item.weight.saturating_add(cases.len() as u64);
                item
            }
            T::Tuple(types) => self.sum(types.iter().copied()),
            T::List(ty) | T::FixedLengthList(ty, _) | T::Option(ty) => self.sum([*ty].into_iter()),
            T::Map(key, value) => self.sum([*key, *value].into_iter()),
            T::Result { ok, err } => self.sum(ok.iter().chain(err).copied()),
            T::Future(ty) | T::Stream(ty) => self.sum(ty.iter().copied()),
        }
    }
}

fn space<'s, 'a>(scope: &'s Scope<'a>, kind: ComponentExternalKind) -> Option<&'s Vec<Item<'a>>> {
    match kind {
        ComponentExternalKind::Type => Some(&scope.types),
        ComponentExternalKind::Component => Some(&scope.components),
        ComponentExternalKind::Instance => Some(&scope.instances),
        ComponentExternalKind::Module | ComponentExternalKind::Func | ComponentExternalKind::Value => None,
    }
}
