/// What a file in the ConfigObj dialect says, and where in the file it says it.
struct ConfDocument: Sendable {
    struct Entry: Sendable {
        let key: ConfName
        let value: ConfFile.Value
        /// The line's number, from 1.
        let number: Int
        /// All lines of the entry with their ends.
        let lines: Range<Int>
        /// The value with its quotes, without white space and comment around it.
        let span: Range<Int>
    }

    struct Section: Sendable {
        /// Its place in `sections`; the top level is its own parent.
        let parent: Int
        let depth: Int
        let name: ConfName
        let number: Int
        /// The marker's line with its end; empty, and behind the byte order mark, for the top level.
        let marker: Range<Int>
        var entries: [Entry] = []

        /// Where its own lines end: behind its last entry, or its marker.
        var end: Int { entries.last?.lines.upperBound ?? marker.upperBound }
    }

    /// The top level first, then all others in the file's order.
    private(set) var sections: [Section]

    /// An empty file's document.
    init() {
        sections = [Section(parent: 0, depth: 0, name: ConfName(""), number: 1, marker: 0..<0)]
    }

    /// Reads a whole file; throws at its first fault.
    init(_ text: [Unicode.Scalar]) throws(ConfError) {
        var lines = Lines(text)
        sections = [Section(parent: 0, depth: 0, name: ConfName(""), number: 1, marker: lines.next..<lines.next)]
        var names: [Set<ConfName>] = [[]]
        while let line = lines.advance() {
            switch ConfLine(line.text) {
            case .blank: continue
            case .junk: throw ConfError(line: line.number, what: "neither a section nor key = value")
            case .marker(let marker):
                let parent = try parent(of: marker, line: line.number)
                let name = ConfName(marker.name)
                guard names[parent].insert(name).inserted else {
                    throw ConfError(line: line.number, what: "section \(named(marker.name)) is there twice")
                }
                sections.append(
                    Section(
                        parent: parent, depth: marker.opening, name: name, number: line.number, marker: line.whole))
                names.append([])
            case .assignment(let assignment):
                let (value, end) = try Self.value(of: assignment, line: line, lines: &lines)
                guard names[names.count - 1].insert(ConfName(assignment.key)).inserted else {
                    throw ConfError(line: line.number, what: "key \(named(assignment.key)) is there twice")
                }
                sections[sections.count - 1].entries.append(
                    Entry(
                        key: ConfName(assignment.key), value: value, number: line.number,
                        lines: line.whole.lowerBound..<lines.next, span: assignment.value..<end))
            }
        }
    }

    /// The section that a marker's section belongs to, as its depth says.
    private func parent(of marker: SectionMarker, line: Int) throws(ConfError) -> Int {
        guard marker.opening == marker.closing else {
            throw ConfError(
                line: line,
                what:
                    "section \(named(marker.name)) opens with \(marker.opening) brackets and closes with \(marker.closing)"
            )
        }
        var parent = sections.count - 1
        guard marker.opening <= sections[parent].depth + 1 else {
            throw ConfError(line: line, what: "section \(named(marker.name)) is nested too deep for what is above it")
        }
        while sections[parent].depth >= marker.opening { parent = sections[parent].parent }
        return parent
    }

    private static func value(
        of assignment: Assignment, line: Line, lines: inout Lines
    ) throws(ConfError) -> (ConfFile.Value, end: Int) {
        let text = line.text[assignment.value...]
        let read: (value: ConfFile.Value, end: Int)
        if let quote = TripleQuoted.quote(of: text) {
            let (string, end) = try tripleQuoted(text, quote: quote, key: assignment.key, line: line, lines: &lines)
            read = (.string(string), end)
        } else if let value = ConfValue(text) {
            read = (value.value, value.end)
        } else {
            throw ConfError(
                line: line.number, what: "the value of \(named(assignment.key)) is badly quoted or a broken list")
        }
        guard !read.value.isInterpolated else {
            throw ConfError(
                line: line.number,
                what:
                    "the value of \(named(assignment.key)) has a %(name)s, which certbot takes for another value's name"
            )
        }
        return read
    }

    private static func tripleQuoted(
        _ text: ConfText, quote: Unicode.Scalar, key: String, line: Line, lines: inout Lines
    ) throws(ConfError) -> (String, end: Int) {
        let start = text.startIndex + 3
        if let close = TripleQuoted.close(text, from: start, quote: quote) {
            return (text[start..<close].string, close + 3)
        }
        let broken = "the value of \(named(key)) has something behind its closing quotes"
        guard TripleQuoted.first(text, from: start, quote: quote) == nil else {
            throw ConfError(line: line.number, what: broken)
        }
        var value = Array(text[start...])
        while let further = lines.advance() {
            value.append("\n")
            let text = further.text
            guard TripleQuoted.first(text, from: text.startIndex, quote: quote) != nil else {
                value.append(contentsOf: text)
                continue
            }
            guard let close = TripleQuoted.close(text, from: text.startIndex, quote: quote) else {
                throw ConfError(line: further.number, what: broken)
            }
            value.append(contentsOf: text[..<close])
            return (value[...].string, close + 3)
        }
        throw ConfError(line: line.number, what: "the triple quotes of \(named(key)) are never closed")
    }
}

extension ConfDocument {
    /// A section's place in `sections`.
    func section(at path: [String]) -> Int? {
        var found = 0
        for name in path {
            let name = ConfName(name)
            guard
                let child = sections.indices.dropFirst().first(where: {
                    sections[$0].parent == found && sections[$0].name == name
                })
            else { return nil }
            found = child
        }
        return found
    }

    func entry(_ key: String, in section: Int) -> Int? {
        let key = ConfName(key)
        return sections[section].entries.firstIndex { $0.key == key }
    }

    /// The places behind `section` that its subsections take, at any depth.
    func descendants(of section: Int) -> Range<Int> {
        let start = section + 1
        let end = sections[start...].firstIndex { $0.depth <= sections[section].depth } ?? sections.count
        return start..<end
    }
}

/// A line of a file.
struct Line {
    /// Counted from 1.
    let number: Int
    /// With its end.
    let whole: Range<Int>
    /// Without its end: ConfigObj drops every CR and LF there.
    let text: ConfText
}

/// The lines of a file: only LF ends one; a lone CR, U+0085 or U+2028 does not, whatever Python's `splitlines` says.
struct Lines {
    private let text: [Unicode.Scalar]
    private var number = 0
    /// Where the next line starts; behind a byte order mark at first.
    private(set) var next: Int

    init(_ text: [Unicode.Scalar]) {
        self.text = text
        next = text.first == "\u{FEFF}" ? 1 : 0
    }

    mutating func advance() -> Line? {
        guard next < text.count else { return nil }
        let start = next
        while next < text.count, text[next] != "\n" { next += 1 }
        if next < text.count { next += 1 }
        var end = next
        while end > start, text[end - 1] == "\n" || text[end - 1] == "\r" { end -= 1 }
        number += 1
        return Line(number: number, whole: start..<next, text: text[start..<end])
    }
}
