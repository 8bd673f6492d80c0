<?php
// A payment link in Laravel, as SecPaid's documentation has it; and below it the same
// without a framework, as a form.
//   API=http://127.0.0.1:8402 TOKEN=sp_... php create.php

$url = (getenv('API') ?: 'http://127.0.0.1:8402') . '/api/v2/createLink';
$link = [
    'amount' => 49.99,
    'recipient_note' => 'Invoice #1234',
    'callback_url' => 'https://yoursite.com/payment/done',
    'cancellable' => true,
];

if (class_exists('Illuminate\Support\Facades\Http')) {
    $response = Illuminate\Support\Facades\Http::withHeaders([
        'token' => getenv('TOKEN'),
    ])->post($url, $link);

    $answer = $response->json();
} else {
    // http_build_query writes true as 1.
    $answer = json_decode(file_get_contents($url, false, stream_context_create(['http' => [
        'method' => 'POST',
        'header' => "Content-Type: application/x-www-form-urlencoded\r\ntoken: " . getenv('TOKEN'),
        'content' => http_build_query($link),
    ]])), true);
}

if ($answer['ResponseCode'] !== 1) {
    fwrite(STDERR, $answer['ResponseMsg'] . "\n");
    exit(1);
}
$payLink = $answer['data']['pay_link'];
echo $payLink, "\n";
