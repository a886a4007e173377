/// A file in the ConfigObj dialect, which certbot's renewal confs are written in: read as ConfigObj reads it, rewritten
/// so that every byte that is not changed stays.
///
/// Comments, white space, line ends, a byte order mark and the way values are quoted are kept. Names and values are
/// compared byte by byte.
package struct ConfFile: Sendable {
    /// What a key is set to; any comma outside quotes makes a list.
    package enum Value: Sendable {
        case string(String)
        case list([String])
    }

    /// Where a section is: `[]` is the top level, `["renewalparams", "webroot_map"]` a nested one.
    package typealias Path = [String]

    private var text: [Unicode.Scalar]
    private var document: ConfDocument

    /// Reads a file, which must be UTF-8 throughout.
    ///
    /// Refuses what ConfigObj refuses, and values with `%(name)s`, where ConfigObj would put in another value.
    package init(bytes: [UInt8]) throws(ConfError) {
        guard let string = String(validating: bytes, as: UTF8.self) else {
            throw ConfError(line: Self.lineOfInvalidUTF8(in: bytes), what: "not UTF-8")
        }
        text = Array(string.unicodeScalars)
        document = try ConfDocument(text)
    }

    /// An empty file, for a new lineage.
    package init() {
        text = []
        document = ConfDocument()
    }

    /// The file as it is to be written: what was read, where nothing was changed.
    package var bytes: [UInt8] { Array(text[...].string.utf8) }

    /// What a key is set to, or `nil` where it is missing or the name of a section.
    package func value(_ key: String, in section: Path = []) -> Value? {
        guard let section = document.section(at: section), let entry = document.entry(key, in: section) else {
            return nil
        }
        return document.sections[section].entries[entry].value
    }

    /// The number of the line, from 1, that sets a key; nil where it is missing.
    package func line(of key: String, in section: Path = []) -> Int? {
        guard let section = document.section(at: section), let entry = document.entry(key, in: section) else {
            return nil
        }
        return document.sections[section].entries[entry].number
    }

    /// One line that sets a key.
    struct Setting {
        let section: Path
        let key: String
        let value: Value
        /// From 1.
        let line: Int
    }

    /// Every key of every section, in the file's order.
    var settings: [Setting] {
        var paths: [Path] = []
        var settings: [Setting] = []
        for (index, section) in document.sections.enumerated() {
            paths.append(index == 0 ? [] : paths[section.parent] + [section.name.text])
            for entry in section.entries {
                settings.append(
                    Setting(section: paths[index], key: entry.key.text, value: entry.value, line: entry.number))
            }
        }
        return settings
    }

    /// Whether there is a section; always for the top level.
    package func hasSection(_ section: Path) -> Bool { document.section(at: section) != nil }

    /// A section's keys in the file's order, none where there is no such section.
    package func keys(in section: Path) -> [String] {
        guard let section = document.section(at: section) else { return [] }
        return document.sections[section].entries.map(\.key.text)
    }

    /// The names of the sections right below one, in the file's order.
    package func sections(in section: Path) -> [String] {
        guard let section = document.section(at: section) else { return [] }
        return document.descendants(of: section)
            .filter { document.sections[$0].parent == section }
            .map { document.sections[$0].name.text }
    }

    /// Sets a key, and makes it and its sections where they are missing.
    ///
    /// Of a key that is there only the value changes: indentation, the space around `=`, comment and line end stay. A new one
    /// goes behind the last key of its section. The file is as it was where this throws: when no way to quote reads
    /// back as the value (three quotes of both kinds, a CR before a line feed), when a `%(name)s` is in it, or when a key
    /// and a section get one name.
    package mutating func set(_ key: String, to value: Value, in section: Path = []) throws(ConfError) {
        guard self.value(key, in: section) != value else { return }
        var changed = self
        let place = try changed.makeSection(section)
        if let entry = document.section(at: section).flatMap({ document.entry(key, in: $0) }) {
            try changed.replaceValue(of: entry, in: place, by: value)
        } else {
            try changed.add(key, value, to: place)
        }
        self = changed
    }

    /// Removes a key with its lines; comments above it stay. Nothing happens where it is missing.
    package mutating func remove(_ key: String, in section: Path = []) {
        guard let section = document.section(at: section), let entry = document.entry(key, in: section) else { return }
        var expected = document.contents
        let lines = document.sections[section].entries[entry].lines
        expected[section].entries.remove(at: entry)
        removeLines(lines, expecting: expected)
    }

    /// Removes a section with all below it, from its marker to its last key; the comments around stay. The top level cannot be removed.
    package mutating func removeSection(_ section: Path) {
        guard !section.isEmpty, let first = document.section(at: section) else { return }
        let removed = first..<document.descendants(of: first).upperBound
        var expected = document.contents
        expected.removeSubrange(removed)
        let lines = document.sections[first].marker.lowerBound..<document.sections[removed.upperBound - 1].end
        removeLines(lines, expecting: expected)
    }

    /// The number of the line, from 1, that holds the first byte which is no UTF-8.
    static func lineOfInvalidUTF8(in bytes: [UInt8]) -> Int {
        var decoder = UTF8()
        var rest = bytes.makeIterator()
        var line = 1
        while case .scalarValue(let scalar) = decoder.decode(&rest) {
            if scalar == "\n" { line += 1 }
        }
        return line
    }
}

// MARK: - Rewriting

extension ConfFile {
    /// Takes the first of some rewritten texts that reads as it should.
    private mutating func adopt(
        _ candidates: some Sequence<[Unicode.Scalar]>, expecting expected: [ConfDocument.Content]
    ) -> Bool {
        for candidate in candidates {
            guard let document = try? ConfDocument(candidate), document.contents == expected else { continue }
            text = candidate
            self.document = document
            return true
        }
        return false
    }

    private mutating func replaceValue(of entry: Int, in section: Int, by value: Value) throws(ConfError) {
        let old = document.sections[section].entries[entry]
        var expected = document.contents
        expected[section].entries[entry].value = value
        let lineEnd = lineEnd(near: old.lines)
        // An empty value has its comment right behind it.
        let gap = old.span.isEmpty && old.span.upperBound < text.count && text[old.span.upperBound] == "#" ? " " : ""
        let candidates = ConfSpelling.spellings(of: value).lazy.map { [text] spelling in
            var text = text
            text.replaceSubrange(old.span, with: Self.lines(spelling + gap, lineEnd: lineEnd))
            return text
        }
        guard adopt(candidates, expecting: expected) else {
            throw Self.refusal(of: value, key: old.key.text, line: old.number)
        }
    }

    private mutating func add(_ key: String, _ value: Value, to section: Int) throws(ConfError) {
        let own = document.sections[section]
        var expected = document.contents
        expected[section].entries.append(ConfDocument.Content.Entry(key: ConfName(key), value: value))
        // A top level without keys has no place of its own but the start, where sections follow.
        let place = section == 0 && own.entries.isEmpty && document.sections.count == 1 ? text.count : own.end
        let model = own.entries.last?.lines ?? own.marker
        let indent = text[model].prefix { $0 == " " || $0 == "\t" }.string
        let lineEnd = lineEnd(near: model)
        let candidates = ConfSpelling.spellings(ofName: key).lazy.flatMap { [text] key in
            ConfSpelling.spellings(of: value).lazy.map { spelling in
                Self.inserting("\(indent)\(key) = \(spelling)", into: text, at: place, lineEnd: lineEnd)
            }
        }
        let number = text[..<place].count { $0 == "\n" } + 1
        guard
            !document.descendants(of: section).contains(where: {
                document.sections[$0].parent == section && document.sections[$0].name == ConfName(key)
            })
        else { throw ConfError(line: number, what: "\(named(key)) is a section, not a key") }
        guard adopt(candidates, expecting: expected) else {
            throw Self.refusal(of: value, key: key, line: number)
        }
    }

    /// The place of a section, which is made at the end of its parent where it is missing.
    private mutating func makeSection(_ path: Path) throws(ConfError) -> Int {
        guard let name = path.last else { return 0 }
        if let found = document.section(at: path) { return found }
        let parent = try makeSection(path.dropLast())
        let below = document.descendants(of: parent)
        let index = below.upperBound
        var expected = document.contents
        expected.insert(ConfDocument.Content(path: path.map(ConfName.init), entries: []), at: index)
        let previous = document.sections[index - 1]
        let place = index == document.sections.count ? text.count : previous.end
        let sibling = below.last { document.sections[$0].parent == parent }.map { document.sections[$0].marker }
        let indent = sibling.map { text[$0].prefix { $0 == " " || $0 == "\t" }.string } ?? ""
        let model = previous.entries.last?.lines ?? previous.marker
        let lineEnd = lineEnd(near: model)
        let blank = parent == 0 && place > document.sections[0].marker.lowerBound ? lineEnd : ""
        let candidates = ConfSpelling.spellings(ofName: name).lazy.map { [text] name in
            let marker = String(repeating: "[", count: path.count) + name + String(repeating: "]", count: path.count)
            return Self.inserting(blank + indent + marker, into: text, at: place, lineEnd: lineEnd)
        }
        guard adopt(candidates, expecting: expected) else {
            let number = text[..<place].count { $0 == "\n" } + 1
            throw ConfError(line: number, what: "section \(named(name)) cannot be added so that it reads back")
        }
        return index
    }

    /// Removes lines; an empty line is left where otherwise a stray U+FEFF would come to the file's start.
    private mutating func removeLines(_ lines: Range<Int>, expecting expected: [ConfDocument.Content]) {
        let candidates = [[], ["\n"]].lazy.map { [text] (rest: [Unicode.Scalar]) in
            var text = text
            text.replaceSubrange(lines, with: rest)
            return text
        }
        _ = adopt(candidates, expecting: expected)
    }

    private static func inserting(
        _ line: String, into text: [Unicode.Scalar], at place: Int, lineEnd: String
    ) -> [Unicode.Scalar] {
        var text = text
        let isBehindOpenLine = place > 0 && text[place - 1] != "\n" && !(place == 1 && text[0] == "\u{FEFF}")
        text.insert(
            contentsOf: lines((isBehindOpenLine ? "\n" : "") + line + "\n", lineEnd: lineEnd), at: place)
        return text
    }

    /// A text with line feeds as the file's line ends have it.
    private static func lines(_ string: String, lineEnd: String) -> [Unicode.Scalar] {
        string.unicodeScalars.flatMap { $0 == "\n" ? Array(lineEnd.unicodeScalars) : [$0] }
    }

    /// How lines end: as some lines do, else as the first of the file does.
    private func lineEnd(near lines: Range<Int>) -> String {
        guard let end = text[lines].lastIndex(of: "\n") ?? text.firstIndex(of: "\n") else { return "\n" }
        return end > 0 && text[end - 1] == "\r" ? "\r\n" : "\n"
    }

    private static func refusal(of value: Value, key: String, line: Int) -> ConfError {
        let why =
            value.isInterpolated
            ? "has a %(name)s, which certbot takes for another value's name"
            : "cannot be written so that certbot reads it back"
        return ConfError(line: line, what: "the new value of \(named(key)) \(why)")
    }
}

extension ConfFile.Value: Hashable {
    /// Compares byte by byte; Swift's strings alone would take the two spellings of `é` for one.
    package static func == (one: Self, other: Self) -> Bool {
        switch (one, other) {
        case (.string(let one), .string(let other)): ConfName(one) == ConfName(other)
        case (.list(let one), .list(let other)): one.map(ConfName.init) == other.map(ConfName.init)
        default: false
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .string(let string): hasher.combine(ConfName(string))
        case .list(let items): hasher.combine(items.map(ConfName.init))
        }
    }
}

extension ConfDocument {
    /// A section without the places in the file, to compare what two files say.
    struct Content: Equatable {
        struct Entry: Equatable {
            let key: ConfName
            var value: ConfFile.Value
        }

        let path: [ConfName]
        var entries: [Entry]
    }

    /// What the file says, in its order.
    var contents: [Content] {
        var contents: [Content] = []
        for (index, section) in sections.enumerated() {
            let path = index == 0 ? [] : contents[section.parent].path + [section.name]
            contents.append(
                Content(path: path, entries: section.entries.map { Content.Entry(key: $0.key, value: $0.value) }))
        }
        return contents
    }
}
