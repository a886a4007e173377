/// The lines in which two short texts differ, as `diff` shows them without context.
package enum LineDiff {
    /// Lines that begin with `-` (only in the old text) or `+` (only in the new one), in the order of the texts.
    package static func lines(from old: [UInt8], to new: [UInt8]) -> [String] {
        let (before, after) = (lines(of: old), lines(of: new))
        let difference = after.difference(from: before)
        var removed: Set<Int> = []
        var added: Set<Int> = []
        for change in difference {
            switch change {
            case .remove(let offset, _, _): removed.insert(offset)
            case .insert(let offset, _, _): added.insert(offset)
            }
        }
        var result: [String] = []
        var (left, right) = (0, 0)
        while left < before.count || right < after.count {
            if removed.contains(left) {
                result.append("-\(before[left])")
                left += 1
            } else if added.contains(right) {
                result.append("+\(after[right])")
                right += 1
            } else {
                left += 1
                right += 1
            }
        }
        return result
    }

    private static func lines(of bytes: [UInt8]) -> [String] {
        bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { String(decoding: $0, as: UTF8.self) }
    }
}
