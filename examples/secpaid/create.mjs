// A payment link by fetch, as SecPaid's documentation has it.
//   API=http://127.0.0.1:8402 TOKEN=sp_... node create.mjs
const response = await fetch((process.env.API ?? 'http://127.0.0.1:8402') + '/api/v2/createLink', {
  method: "POST",
  headers: {
    "Content-Type": "application/json",
    "token": process.env.TOKEN ?? ''
  },
  body: JSON.stringify({
    amount: 49.99,
    recipient_note: "Invoice #1234",
    callback_url: "https://yoursite.com/payment/done",
    cancellable: true
  })
});

// Errors come with status 200 too: ResponseCode tells.
const { data, ResponseCode, ResponseMsg } = await response.json();
if (ResponseCode !== 1) {
  console.error(ResponseMsg);
  process.exit(1);
}
console.log(data.pay_link); // send it to the customer
