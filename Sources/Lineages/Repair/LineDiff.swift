/// The lines in which two short texts differ.
package enum LineDiff {
    /// A line of one text or of both.
    package enum Line: Hashable, Sendable {
        case same(String), removed(String), added(String)

        package var isChange: Bool { if case .same = self { false } else { true } }

        /// As `diff -u` shows it.
        package var text: String {
            switch self {
            case .same(let text): " " + text
            case .removed(let text): "-" + text
            case .added(let text): "+" + text
            }
        }
    }

    /// Lines that begin with `-` (only in the old text) or `+` (only in the new one), in the order of the texts.
    package static func lines(from old: [UInt8], to new: [UInt8]) -> [String] {
        script(from: lines(of: old), to: lines(of: new)).filter(\.isChange).map(\.text)
    }

    /// All lines of both texts, in order; what was removed stands before what was added in its place.
    package static func script(from before: [String], to after: [String]) -> [Line] {
        var (removed, added): (Set<Int>, Set<Int>) = ([], [])
        for change in after.difference(from: before) {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var lines: [Line] = []
        var (left, right) = (0, 0)
        while left < before.count || right < after.count {
            if removed.contains(left) {
                lines.append(.removed(before[left]))
                left += 1
            } else if added.contains(right) {
                lines.append(.added(after[right]))
                right += 1
            } else {
                lines.append(.same(before[left]))
                left += 1
                right += 1
            }
        }
        return lines
    }

    /// The last one is empty where the text ends with a line feed.
    package static func lines(of bytes: [UInt8]) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
