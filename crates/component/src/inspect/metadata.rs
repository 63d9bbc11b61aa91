//! Metadata sections, read one by one (`spec/components.md`, "Metadata and sections").
//!
//! What is merely unreadable is a warning and hides nothing else. Refused are only the plain texts that are not
//! text, and those given twice with different content: nobody could say which one counts.

use wasmparser::{
    BinaryReader, ComponentName, ComponentNameSectionReader, ComponentType, ComponentTypeDeclaration,
    ComponentTypeSectionReader, Name, NameSectionReader, ProducersSectionReader,
};

use super::sections::{CUSTOM, Custom, Sections};
use super::warnings::Warnings;
use crate::inspection::{CustomSection, Metadata, Producer};
use crate::kind::{Layer, layer};
use crate::limits::{
    COMPONENT_TYPE_BYTES_MAX, PRODUCERS_MAX, READ_SECTION_BYTES_MAX, SHOWN_BYTES_MAX, WORD_BYTES_MAX,
};
use crate::refused::{MetadataFault, Refused};
use crate::text::shown;

/// The plain text sections.
const TEXTS: [&str; 8] = [
    "authors",
    "description",
    "licenses",
    "source",
    "homepage",
    "revision",
    "version",
    // Dropped from the tools in 2024; shown if met.
    "registry-metadata",
];

/// What a core module's `component-type` section is called, alone or before a colon.
const COMPONENT_TYPE: &str = "component-type";

/// What the custom sections at depth 0 say, and the worlds that a core module was built for.
pub(super) fn read(bytes: &[u8], warnings: &mut Warnings) -> Result<(Metadata, Vec<String>), Refused> {
    let layer = layer(bytes)?;
    let mut metadata = Metadata::default();
    let mut targets = Vec::new();
    let mut texts: [Option<&str>; TEXTS.len()] = [None; TEXTS.len()];
    for section in Sections::new(bytes, 0) {
        let section = section?;
        if section.id != CUSTOM {
            continue;
        }
        let custom = section.custom()?;
        metadata.sections.push(CustomSection {
            name: shown(custom.name, WORD_BYTES_MAX),
            size: custom.payload.len() as u64,
        });
        if let Some(i) = TEXTS.iter().position(|name| *name == custom.name) {
            take_text(&mut texts[i], TEXTS[i], &custom, warnings)?;
            continue;
        }
        match (layer, custom.name) {
            (_, "producers") => producers(&custom, &mut metadata, warnings),
            (Layer::Core, "name") => name(&custom, &mut metadata, warnings, module_name),
            (Layer::Component, "component-name") => name(&custom, &mut metadata, warnings, component_name),
            (_, ".dep-v0") => dep_v0(&custom, &mut metadata, warnings),
            (Layer::Core, section) if section.starts_with(COMPONENT_TYPE) => match target(&custom) {
                Some(world) if targets.contains(&world) => {}
                Some(world) => targets.push(world),
                None => {
                    warnings.add(format!("section `{}` names no world", shown(section, WORD_BYTES_MAX)));
                }
            },
            _ => {}
        }
    }
    fill(&mut metadata, texts, warnings);
    Ok((metadata, targets))
}

fn take_text<'a>(
    slot: &mut Option<&'a str>,
    section: &'static str,
    custom: &Custom<'a>,
    warnings: &mut Warnings,
) -> Result<(), Refused> {
    let refuse = |fault| Refused::Metadata { section: section.into(), fault };
    let text = std::str::from_utf8(custom.payload).map_err(|_| refuse(MetadataFault::NotUtf8))?;
    match *slot {
        None => *slot = Some(text),
        Some(earlier) if earlier == text => warnings.add(format!("section `{section}` is there twice")),
        Some(_) => return Err(refuse(MetadataFault::GivenTwice)),
    }
    Ok(())
}

fn fill(metadata: &mut Metadata, texts: [Option<&str>; TEXTS.len()], warnings: &mut Warnings) {
    let [authors, description, licenses, source, homepage, revision, version, registry] = texts;
    let show = |text: Option<&str>| text.map(|text| shown(text, SHOWN_BYTES_MAX));
    metadata.authors = show(authors);
    metadata.description = show(description);
    metadata.licenses = show(licenses);
    metadata.source = show(source);
    metadata.homepage = show(homepage);
    metadata.revision = show(revision);
    metadata.registry_metadata = show(registry);
    if let Some(text) = licenses {
        metadata.licenses_spdx = text.len() <= SHOWN_BYTES_MAX && spdx::Expression::parse(text).is_ok();
        if !metadata.licenses_spdx {
            warnings.add(format!("licence `{}` is not an SPDX expression", shown(text, WORD_BYTES_MAX)));
        }
    }
    if let Some(text) = version {
        match semver::Version::parse(text) {
            Ok(version) => metadata.version = Some(version.to_string()),
            Err(_) => warnings.add(format!("version `{}` is not semantic", shown(text, WORD_BYTES_MAX))),
        }
    }
    for (section, url) in [("source", source), ("homepage", homepage)] {
        if url.is_some_and(|url| !url.starts_with("https://") && !url.starts_with("http://")) {
            warnings.add(format!("section `{section}` is not a web address"));
        }
    }
}

fn producers(custom: &Custom<'_>, metadata: &mut Metadata, warnings: &mut Warnings) {
    let read = || -> wasmparser::Result<Vec<Producer>> {
        let mut found = Vec::new();
        for field in ProducersSectionReader::new(reader(custom))? {
            let field = field?;
            for value in field.values {
                let value = value?;
                if found.len() < PRODUCERS_MAX {
                    found.push(Producer {
                        field: field.name.to_owned(),
                        name: shown(value.name, WORD_BYTES_MAX),
                        version: shown(value.version, WORD_BYTES_MAX),
                    });
                }
            }
        }
        Ok(found)
    };
    if custom.payload.len() > READ_SECTION_BYTES_MAX {
        warnings.add("section `producers` is too large to read");
        return;
    }
    match read() {
        Ok(found) if metadata.producers.is_empty() => metadata.producers = found,
        Ok(found) if found == metadata.producers => warnings.add("section `producers` is there twice"),
        Ok(_) => warnings.add("section `producers` is there twice, the first counts"),
        Err(error) => warnings.add(format!("section `producers` cannot be read: {}", error.message())),
    }
}

fn name(
    custom: &Custom<'_>,
    metadata: &mut Metadata,
    warnings: &mut Warnings,
    read: fn(BinaryReader<'_>) -> wasmparser::Result<Option<String>>,
) {
    if custom.payload.len() > READ_SECTION_BYTES_MAX {
        warnings.add(format!("section `{}` is too large to read", custom.name));
        return;
    }
    match read(reader(custom)) {
        Ok(None) => {}
        Ok(found) if metadata.name.is_none() => metadata.name = found,
        Ok(_) => warnings.add(format!("section `{}` gives a second name", custom.name)),
        Err(error) => warnings.add(format!("section `{}` cannot be read: {}", custom.name, error.message())),
    }
}

fn module_name(reader: BinaryReader<'_>) -> wasmparser::Result<Option<String>> {
    for subsection in NameSectionReader::new(reader) {
        if let Name::Module { name, .. } = subsection? {
            return Ok(Some(shown(name, WORD_BYTES_MAX)));
        }
    }
    Ok(None)
}

fn component_name(reader: BinaryReader<'_>) -> wasmparser::Result<Option<String>> {
    for subsection in ComponentNameSectionReader::new(reader) {
        if let ComponentName::Component { name, .. } = subsection? {
            return Ok(Some(shown(name, WORD_BYTES_MAX)));
        }
    }
    Ok(None)
}

/// Its content is compressed and nobody's business here: opening it would be an invitation to a zip bomb.
fn dep_v0(custom: &Custom<'_>, metadata: &mut Metadata, warnings: &mut Warnings) {
    metadata.dep_v0_bytes = Some(custom.payload.len() as u64);
    warnings.add("section `.dep-v0` is not read");
}

/// The world of a `component-type` section: a component that holds one component type, with one export named
/// by the world's full name. Read without validating or decoding it.
fn target(custom: &Custom<'_>) -> Option<String> {
    if custom.payload.len() > COMPONENT_TYPE_BYTES_MAX || layer(custom.payload).ok()? != Layer::Component {
        return None;
    }
    for section in Sections::new(custom.payload, custom.offset) {
        let section = section.ok()?;
        if section.id != 7 {
            continue;
        }
        for ty in ComponentTypeSectionReader::new(section.reader()).ok()? {
            let ComponentType::Component(declarations) = ty.ok()? else { continue };
            let exported = declarations.iter().rev().find_map(|declaration| match declaration {
                ComponentTypeDeclaration::Export { name, .. } => Some(name.full_name()),
                _ => None,
            });
            return exported.map(|name| shown(&name, WORD_BYTES_MAX));
        }
    }
    None
}

fn reader<'a>(custom: &Custom<'a>) -> BinaryReader<'a> {
    BinaryReader::new(custom.payload, custom.offset as u64)
}
