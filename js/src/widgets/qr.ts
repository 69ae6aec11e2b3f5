// Reads QR codes. A bundle of its own that the nodes view asks the kernel for when somebody needs it.
import decodeQR from "qr/decode.js";

export default decodeQR;
