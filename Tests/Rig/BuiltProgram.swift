import Glibc

/// What was built with the tests.
package enum BuiltProgram {
    /// The certctl beside the test bundle, or the one that `CERTCTL` names.
    package static var certctl: String {
        if let path = environmentVariable("CERTCTL") { return path }
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        let bytes = buffer.prefix(max(0, count)).map { UInt8(truncatingIfNeeded: $0) }
        return String(decoding: bytes, as: UTF8.self).split(separator: "/").dropLast().reduce("") { $0 + "/" + $1 }
            + "/certctl"
    }

    /// The top of the clone that it was built in.
    package static let repository = #filePath.split(separator: "/").dropLast(3).reduce("") { $0 + "/" + $1 }
}
