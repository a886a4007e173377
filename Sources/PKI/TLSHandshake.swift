import COpenSSL
import Glibc

/// What a client offers in its ClientHello.
enum TLSOffer {
    /// OpenSSL's defaults without a security level, from TLS 1.0 up: a server with two certificates chooses as it does
    /// for a browser.
    case usual
    /// Every cipher that comes with a certificate, every signature and every curve, also where the system's
    /// configuration leaves some out.
    case anything
    /// As usual, but that only a certificate with such a key will do: a server that has several shows that one.
    case key(KeyType)

    var isUsual: Bool { if case .usual = self { true } else { false } }
}

/// The client's side of a TLS handshake that verifies nothing and keeps the certificate it is shown.
struct TLSHandshake: ~Copyable {
    private let connection: TCPConnection
    private let ssl: OpenSSLObject
    private let seen: SeenCertificate

    init(over connection: consuming TCPConnection, offer: TLSOffer, serverName: String?) throws(PKIError) {
        let context = try unsafe OpenSSLObject(
            SSL_CTX_new(TLS_client_method()), freedBy: { unsafe SSL_CTX_free($0) }, "prepare TLS")
        // Called as soon as the Certificate message is in, whatever becomes of the handshake.
        let seen = SeenCertificate()
        unsafe SSL_CTX_set_cert_verify_callback(
            context.pointer,
            { store, argument in
                guard let argument = unsafe argument else { return 1 }
                let seen = unsafe Unmanaged<SeenCertificate>.fromOpaque(argument).takeUnretainedValue()
                unsafe seen.keep(X509_STORE_CTX_get0_cert(store))
                return 1
            }, Unmanaged.passUnretained(seen).toOpaque())
        try offer.configure(context)
        let ssl = try unsafe OpenSSLObject(SSL_new(context.pointer), freedBy: { unsafe SSL_free($0) }, "prepare TLS")
        guard unsafe SSL_set_fd(ssl.pointer, connection.descriptor) == 1 else { throw PKIError.openSSL("prepare TLS") }
        if let serverName, unsafe certctl_tls_set_server_name(ssl.pointer, serverName) != 1 {
            throw PKIError.openSSL("ask for \(serverName)")
        }
        self.connection = connection
        self.ssl = ssl
        self.seen = seen
    }

    /// The first certificate of the server's Certificate message in DER, once that is in.
    var leaf: [UInt8]? { seen.der }

    /// Shakes hands and says goodbye; nil, or how the handshake failed.
    func run(within limit: TimeLimit) -> String? {
        defer { OpenSSLErrors.drain() }
        while true {
            OpenSSLErrors.drain()
            errno = 0
            let result = unsafe SSL_connect(ssl.pointer)
            let code = errno
            if result == 1 {
                unsafe _ = SSL_shutdown(ssl.pointer)
                return nil
            }
            do {
                switch unsafe SSL_get_error(ssl.pointer, result) {
                case SSL_ERROR_WANT_READ: try limit.wait(for: POLLIN, on: connection.descriptor)
                case SSL_ERROR_WANT_WRITE: try limit.wait(for: POLLOUT, on: connection.descriptor)
                default:
                    let reason = OpenSSLErrors.drain().reason
                    guard reason.isEmpty else { return reason }
                    return code == 0 ? "the server closed the connection" : SystemFailure(code: code).description
                }
            } catch {
                return error.description
            }
        }
    }

    /// Frees what OpenSSL keeps for the calling thread.
    static func forgetThread() { OPENSSL_thread_stop() }
}

/// Where OpenSSL's callback leaves the certificate; used by one thread.
private final class SeenCertificate {
    private(set) var der: [UInt8]?

    func keep(_ certificate: OpaquePointer?) {
        guard let certificate = unsafe certificate else { return }
        der = try? unsafe encoded("encode a certificate") { unsafe i2d_X509(certificate, $0) }
    }
}

extension TLSOffer {
    fileprivate func configure(_ context: borrowing OpenSSLObject) throws(PKIError) {
        unsafe SSL_CTX_set_security_level(context.pointer, 0)
        unsafe certctl_tls_allow_legacy_servers(context.pointer)
        // The highest is what the library has.
        guard unsafe certctl_tls_set_version_range(context.pointer, TLS1_VERSION, 0) == 1 else {
            throw PKIError.openSSL("offer TLS 1.0")
        }
        switch self {
        case .usual: return
        case .key(let type):
            guard let signatures = TLSOffer.signatures(of: type) else { return }
            guard unsafe certctl_tls_set_signature_algorithms(context.pointer, signatures) == 1 else {
                throw PKIError.openSSL("offer signatures of \(type)")
            }
            return
        case .anything: break
        }
        guard unsafe SSL_CTX_set_cipher_list(context.pointer, TLSOffer.ciphers) == 1 else {
            throw PKIError.openSSL("offer every cipher")
        }
        // Lists that a library built without one of these refuses: its own defaults stay then.
        unsafe _ = SSL_CTX_set_ciphersuites(context.pointer, TLSOffer.suites)
        unsafe _ = certctl_tls_set_groups(context.pointer, TLSOffer.groups)
        unsafe _ = certctl_tls_set_signature_algorithms(context.pointer, TLSOffer.signatures)
        OpenSSLErrors.drain()
    }

    /// Nil for a type beside which no server has a second certificate.
    private static func signatures(of type: KeyType) -> String? {
        switch type {
        case .ec: "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ECDSA+SHA1"
        case .rsa:
            """
            rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:RSA+SHA1
            """
        case .other: nil
        }
    }

    /// Without those that need no certificate, or a shared secret in its place.
    private static let ciphers = "ALL:eNULL:!aNULL:!PSK:!SRP:@SECLEVEL=0"

    private static let suites = """
        TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256:TLS_AES_128_CCM_SHA256:\
        TLS_AES_128_CCM_8_SHA256
        """

    private static let groups = """
        X25519:P-256:X448:P-384:P-521:ffdhe2048:ffdhe3072:ffdhe4096:brainpoolP256r1:brainpoolP384r1:brainpoolP512r1:\
        secp256k1:secp224r1:prime192v1
        """

    private static let signatures = """
        ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:ed448:rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:\
        rsa_pss_rsae_sha512:rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:RSA+SHA256:RSA+SHA384:RSA+SHA512:\
        ECDSA+SHA224:ECDSA+SHA1:RSA+SHA224:RSA+SHA1:DSA+SHA256:DSA+SHA384:DSA+SHA512:DSA+SHA224:DSA+SHA1
        """
}
