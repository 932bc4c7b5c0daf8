// Uploads the files of a folder in different ways with tus-js-client; a line says for each whether a receipt came.
// node upload.cjs ENDPOINT FOLDER
const tus = require('tus-js-client')
const fs = require('fs')
const path = require('path')
const crypto = require('crypto')

const [endpoint, folder] = process.argv.slice(2)

function upload (photoId, options, stream) {
  const file = path.join(folder, photoId)
  const data = fs.readFileSync(file)
  const sha256 = crypto.createHash('sha256').update(data).digest('hex')
  const source = stream ? fs.createReadStream(file) : data
  if (stream) options.uploadSize = data.length
  return new Promise((resolve, reject) => {
    let receipt
    const up = new tus.Upload(source, {
      endpoint,
      metadata: { photoId, sha256, filetype: 'image/jpeg' },
      retryDelays: [0, 100, 300],
      onAfterResponse: (_, res) => { receipt = res.getHeader('Fieldclue-Receipt') || receipt },
      onError: reject,
      onSuccess: () => resolve(receipt ? `${photoId} received` : `${photoId} without a receipt`),
      ...options
    })
    up.start()
  })
}

async function main () {
  console.log(await upload('plain', {}))
  console.log(await upload('pieces', { chunkSize: 100_000 }))
  console.log(await upload('stream', { chunkSize: 200_000 }, true))
  console.log(await upload('with-creation', { uploadDataDuringCreation: true }))
  // Stored already: answered at once.
  console.log(await upload('plain', {}))
  console.log(await upload('with-creation', { uploadDataDuringCreation: true }))
}

main().catch(err => { console.error(String(err)); process.exit(1) })
