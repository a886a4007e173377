import Glibc

/// Makes sure that a file of trusted certificates can be read and has one, before any request depends on it.
///
/// Throws `unreadableCABundle`. What is between the PEM markers is left to the first TLS connection.
func requireCertificates(inBundle path: String) throws(HTTPError) {
    func failure(_ cause: String) -> HTTPError {
        HTTPError(kind: .unreadableCABundle, host: "", detail: "\(path): \(cause)")
    }
    guard let file = unsafe fopen(path, "re") else {
        throw failure(unsafe String(cString: strerror(errno)))
    }
    defer { unsafe fclose(file) }
    var line: UnsafeMutablePointer<CChar>?
    defer { unsafe free(line) }
    var capacity = 0
    while unsafe getline(&line, &capacity, file) >= 0 {
        guard let line = unsafe line else { break }
        if certificateMarkers.contains(where: unsafe String(cString: line).hasPrefix) { return }
    }
    throw failure(unsafe ferror(file) != 0 ? String(cString: strerror(errno)) : "there is no PEM certificate in it")
}

private let certificateMarkers = ["-----BEGIN CERTIFICATE-----", "-----BEGIN TRUSTED CERTIFICATE-----"]
