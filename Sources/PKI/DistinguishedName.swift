import COpenSSL
import Text

/// A Name of X.501 as OpenSSL reads it.
struct DistinguishedName: ~Copyable {
    private let handle: OpenSSLObject

    /// Reads a Name in DER.
    init(_ der: ArraySlice<UInt8>) throws(PKIError) {
        let pointer = unsafe der.withUnsafeBufferPointer { bytes in
            var position = bytes.baseAddress
            return unsafe d2i_X509_NAME(nil, &position, bytes.count)
        }
        handle = try unsafe OpenSSLObject(pointer, freedBy: { unsafe X509_NAME_free($0) }, "read a name")
    }

    /// On one line, as `openssl x509 -subject` prints it, without what would steer a terminal and cut where it is longer than
    /// a line: its text may come from anybody.
    var text: String {
        get throws(PKIError) {
            let bio = try OpenSSLObject.writing()
            guard unsafe X509_NAME_print_ex(bio.pointer, handle.pointer, 0, certctl_name_on_one_line()) >= 0 else {
                throw PKIError.openSSL("read a name")
            }
            return String(decoding: bio.contents(), as: UTF8.self).line()
        }
    }

    /// The first common name in it.
    var commonName: String? {
        let index = unsafe X509_NAME_get_index_by_NID(handle.pointer, NID_commonName, -1)
        guard index >= 0, let entry = unsafe X509_NAME_get_entry(handle.pointer, index) else { return nil }
        var text: UnsafeMutablePointer<UInt8>?
        let length = unsafe ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry))
        guard length >= 0, let text = unsafe text else {
            OpenSSLErrors.drain()
            return nil
        }
        defer { unsafe CRYPTO_free(text, #file, #line) }
        return unsafe String(decoding: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self).line()
    }
}
