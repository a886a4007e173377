import Lineages

/// The difference of two texts in the unified format of diff(1).
package enum UnifiedDiff {
    /// Unchanged lines before and after a change.
    private static let context = 3

    /// - Parameters:
    ///   - before: nil if the file does not exist.
    ///   - after: nil if the file is removed.
    package static func lines(_ path: String, from before: [UInt8]?, to after: [UInt8]?) -> [String] {
        let script = LineDiff.script(from: texts(before), to: texts(after))
        guard script.contains(where: \.isChange) else { return [] }
        var result = ["--- \(before == nil ? "/dev/null" : path)", "+++ \(after == nil ? "/dev/null" : path)"]
        var (index, old, new) = (0, 1, 1)
        while index < script.count {
            guard let change = script[index...].firstIndex(where: \.isChange) else { break }
            let start = max(index, change - context)
            old += start - index
            new += start - index
            // Changes with less than twice the context between them are one hunk.
            var (end, last) = (change, change)
            while end < script.count, end - last <= context * 2 {
                if script[end].isChange { last = end }
                end += 1
            }
            let hunk = script[start..<min(script.count, last + context + 1)]
            let oldCount = hunk.count { if case .added = $0 { false } else { true } }
            let newCount = hunk.count { if case .removed = $0 { false } else { true } }
            result.append("@@ -\(range(old, oldCount)) +\(range(new, newCount)) @@")
            result += hunk.map(\.text)
            (index, old, new) = (hunk.endIndex, old + oldCount, new + newCount)
        }
        return result
    }

    /// An empty range stands behind the line before it.
    private static func range(_ start: Int, _ count: Int) -> String { "\(count == 0 ? start - 1 : start),\(count)" }

    private static func texts(_ bytes: [UInt8]?) -> [String] {
        guard let bytes, !bytes.isEmpty else { return [] }
        var lines = LineDiff.lines(of: bytes)
        if lines.last == "" { lines.removeLast() }
        return lines
    }
}
