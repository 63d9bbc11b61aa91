//! The look at a file before anything expensive looks at it (`spec/components.md`, "Hostile input").
//!
//! One pass over section headers and over the declarations that can multiply, in time and memory proportional
//! to the file. What passes may be given to the validator; [`Cost::in_process`] says whether without a guard.

use serde::{Deserialize, Serialize};
use wasmparser::{
    BinaryReader, ComponentAliasSectionReader, ComponentExportSectionReader, ComponentImportSectionReader,
    ComponentInstanceSectionReader, ComponentTypeSectionReader, CoreTypeSectionReader, ExportSectionReader,
    FromReader, ImportSectionReader, Instance, InstanceSectionReader, SectionLimited,
};

use super::names::check_declared;
use super::sections::{CUSTOM, Section, Sections};
use super::work::{Item, Ledger};
use crate::kind::{HEADER_BYTES, Layer, layer};
use crate::limits::{
    CUSTOM_SECTIONS_MAX, DECLARATION_BYTES_MAX, DECLARED_COUNT_MAX, IN_PROCESS_BYTES_MAX,
    IN_PROCESS_PRODUCT_MAX, IN_PROCESS_WORK_MAX, INSTANTIATIONS_TIMES_EXPORTS_MAX,
    MODULES_AND_COMPONENTS_MAX, NESTING_MAX, SEAL_BYTES_MAX, SECTIONS_MAX, SECTIONS_TOTAL_MAX,
    WASM_BYTES_MAX,
};
use crate::refused::{Refused, SealFault, check_limit, refused};

/// Name of the custom section that holds a seal (`spec/components.md`, "The seal").
pub const SEAL_SECTION: &str = "wargate-seal";

/// What checking a file will cost, as far as that can be told beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Its size.
    pub bytes: u64,
    /// Sections, all depths together.
    pub sections: u64,
    /// Deepest nesting of components and modules; 1 is none.
    pub nesting: u64,
    /// Instantiations of components.
    pub instantiations: u64,
    /// Most exports of one component, component type or instance type.
    pub exports_max: u64,
    /// Steps of work for the validator, as [`crate::limits::WORK_MAX`] counts them.
    pub work: u64,
}

impl Cost {
    /// Instantiations times exports.
    #[must_use]
    pub const fn product(&self) -> u64 {
        self.instantiations.saturating_mul(self.exports_max)
    }

    /// Whether the file is so small and plain that it may be inspected in the caller's process.
    #[must_use]
    pub const fn in_process(&self) -> bool {
        self.bytes <= IN_PROCESS_BYTES_MAX
            && self.product() <= IN_PROCESS_PRODUCT_MAX
            && self.work <= IN_PROCESS_WORK_MAX
    }
}

/// Looks at a file's shape and refuses what is malformed, sealed, too large or too costly to check.
///
/// # Errors
/// The first reason to refuse it. That there is none does not make it valid.
pub fn prepass(bytes: &[u8]) -> Result<Cost, Refused> {
    let mut walk = Walk::default();
    walk.file(bytes)?;
    let cost = Cost {
        bytes: bytes.len() as u64,
        sections: walk.sections,
        nesting: walk.nesting,
        instantiations: walk.ledger.instantiations,
        exports_max: walk.ledger.exports_max,
        work: walk.ledger.work(),
    };
    let what = "component instantiations times exports";
    check_limit(what, cost.product(), INSTANTIATIONS_TIMES_EXPORTS_MAX)?;
    Ok(cost)
}

/// Where the only seal stands.
enum SealPlace {
    Inside,
    Last,
}

#[derive(Default)]
struct Walk<'a> {
    sections: u64,
    customs: u64,
    nesting: u64,
    nested: u64,
    declaration_bytes: u64,
    seal: Option<SealPlace>,
    ledger: Ledger<'a>,
}

impl<'a> Walk<'a> {
    fn file(&mut self, bytes: &'a [u8]) -> Result<(), Refused> {
        check_limit("bytes", bytes.len() as u64, WASM_BYTES_MAX)?;
        match layer(bytes)? {
            Layer::Core => self.module(bytes, 0, 1)?,
            Layer::Component => {
                self.component(bytes, 0, 1)?;
            }
        }
        match self.seal {
            None => Ok(()),
            Some(SealPlace::Inside) => Err(Refused::BadSeal { fault: SealFault::NotLast }),
            Some(SealPlace::Last) => Err(Refused::Sealed),
        }
    }

    fn component(&mut self, bytes: &'a [u8], base: usize, depth: u64) -> Result<Item<'a>, Refused> {
        self.enter(bytes, base, depth)?;
        self.ledger.open()?;
        let mut sections = Sections::new(bytes, base);
        let mut count = 0;
        while let Some(section) = sections.next() {
            let section = section?;
            self.count(&mut count)?;
            match section.id {
                CUSTOM if depth == 1 => self.custom(&section, sections.at_end())?,
                1 => self.module(section.body, section.offset, depth + 1)?,
                4 => {
                    let item = self.component(section.body, section.offset, depth + 1)?;
                    self.ledger.component(item)?;
                }
                _ => self.declarations(&section)?,
            }
        }
        self.ledger.close()
    }

    fn declarations(&mut self, section: &Section<'a>) -> Result<(), Refused> {
        if !matches!(section.id, 2 | 3 | 5 | 6 | 7 | 10 | 11) {
            // Custom, start, canonical functions, and what the validator will refuse.
            return Ok(());
        }
        self.declaration_bytes += section.body.len() as u64;
        check_limit("bytes of declarations", self.declaration_bytes, DECLARATION_BYTES_MAX)?;
        let ledger = &mut self.ledger;
        match section.id {
            2 => each(section, InstanceSectionReader::new, |instance| match instance {
                Instance::Instantiate { .. } => ledger.core_instantiation(),
                Instance::FromExports(_) => Ok(()),
            }),
            3 => each(section, CoreTypeSectionReader::new, |ty| ledger.core_type(&ty)),
            5 => each(section, ComponentInstanceSectionReader::new, |instance| ledger.instance(&instance)),
            6 => each(section, ComponentAliasSectionReader::new, |alias| ledger.alias(&alias)),
            7 => each(section, ComponentTypeSectionReader::new, |ty| ledger.define(&ty)),
            10 => each(section, ComponentImportSectionReader::new, |import| {
                check_declared(&import.name)?;
                ledger.import(import.ty)
            }),
            _ => each(section, ComponentExportSectionReader::new, |export| {
                check_declared(&export.name)?;
                ledger.export(&export)
            }),
        }
    }

    fn module(&mut self, bytes: &'a [u8], base: usize, depth: u64) -> Result<(), Refused> {
        self.enter(bytes, base, depth)?;
        let mut sections = Sections::new(bytes, base);
        let (mut count, mut externs) = (0, 0);
        while let Some(section) = sections.next() {
            let section = section?;
            self.count(&mut count)?;
            match section.id {
                CUSTOM if depth == 1 => self.custom(&section, sections.at_end())?,
                2 => {
                    let imports = ImportSectionReader::new(section.reader()).map_err(refused)?;
                    for import in imports.into_imports() {
                        import.map_err(refused)?;
                        externs += 1;
                    }
                }
                7 => {
                    let exports = ExportSectionReader::new(section.reader()).map_err(refused)?;
                    externs += u64::from(exports.count());
                }
                _ => {}
            }
        }
        self.ledger.core_module(externs)
    }

    fn enter(&mut self, bytes: &[u8], base: usize, depth: u64) -> Result<(), Refused> {
        check_limit("levels of nesting", depth, NESTING_MAX)?;
        self.nesting = self.nesting.max(depth);
        if depth > 1 {
            self.nested += 1;
            check_limit("modules and components", self.nested, MODULES_AND_COMPONENTS_MAX)?;
        }
        if bytes.len() < HEADER_BYTES {
            return Err(Refused::invalid("a nested module or component is shorter than a header", base));
        }
        Ok(())
    }

    fn count(&mut self, here: &mut u64) -> Result<(), Refused> {
        *here += 1;
        self.sections += 1;
        check_limit("sections in one component or module", *here, SECTIONS_MAX)?;
        check_limit("sections", self.sections, SECTIONS_TOTAL_MAX)
    }

    fn custom(&mut self, section: &Section<'a>, last: bool) -> Result<(), Refused> {
        let custom = section.custom()?;
        if custom.name == SEAL_SECTION {
            if self.seal.is_some() {
                return Err(Refused::BadSeal { fault: SealFault::Twice });
            }
            if !custom.minimal {
                return Err(Refused::BadSeal { fault: SealFault::NotMinimal });
            }
            if custom.payload.len() as u64 > SEAL_BYTES_MAX {
                return Err(Refused::BadSeal { fault: SealFault::TooLarge });
            }
            self.seal = Some(if last { SealPlace::Last } else { SealPlace::Inside });
        }
        self.customs += 1;
        check_limit("custom sections", self.customs, CUSTOM_SECTIONS_MAX)
    }
}

/// Reads every item of a section, refusing an absurd count before the first.
fn each<'a, T: FromReader<'a>>(
    section: &Section<'a>,
    open: fn(BinaryReader<'a>) -> wasmparser::Result<SectionLimited<'a, T>>,
    mut visit: impl FnMut(T) -> Result<(), Refused>,
) -> Result<(), Refused> {
    let items = open(section.reader()).map_err(refused)?;
    check_limit("declarations in one section", u64::from(items.count()), DECLARED_COUNT_MAX)?;
    for item in items {
        visit(item.map_err(refused)?)?;
    }
    Ok(())
}
