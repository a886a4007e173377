/// Files that certctl ships and carries in itself, so that a binary alone can set a host up.
package struct ShippedFile: Sendable {
    package let name: String
    package let bytes: [UInt8]

    /// The units of `systemd/`.
    package static let units = [
        ShippedFile(name: "certctl.service", bytes: PackageResources.certctl_service),
        ShippedFile(name: "certctl.timer", bytes: PackageResources.certctl_timer),
        ShippedFile(name: "certctl-notify@.service", bytes: PackageResources.certctl_notify__service),
    ]

    /// `hooks/reload-nginx`.
    package static let reloadNginx = ShippedFile(name: "reload-nginx", bytes: PackageResources.reload_nginx)

    /// Where a package installs the binary, and what the shipped units start.
    static let packagedBinary = "/usr/bin/certctl"

    /// The file with another binary in the place of the packaged one.
    func naming(binary: String) -> [UInt8] {
        let text = String(decoding: bytes, as: UTF8.self)
        return Array(text.replacingWords(ShippedFile.packagedBinary, by: binary).utf8)
    }
}

extension String {
    /// Replaces a path where it stands as a whole word.
    func replacingWords(_ word: String, by other: String) -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { line in
            var result = ""
            var rest = line[...]
            while let range = rest.firstRange(ofWord: word) {
                result += rest[..<range.lowerBound] + other
                rest = rest[range.upperBound...]
            }
            return result + rest
        }.joined(separator: "\n")
    }
}

extension Substring {
    fileprivate func firstRange(ofWord word: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(word) {
                let end = index(start, offsetBy: word.count)
                if end == endIndex || !(self[end].isLetter || self[end].isNumber || "-_./".contains(self[end])) {
                    return start..<end
                }
            }
            start = index(after: start)
        }
        return nil
    }
}
