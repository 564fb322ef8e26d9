import { ApiError, anotherFor, authorization, errorFrom, serverUrl } from "./api";

/** Posts a file; tells how much of it has gone, from 0 to 1. `fetch` cannot tell that, so this is an XMLHttpRequest. */
export async function send<T>(path: string, body: FormData | Blob, onProgress: (share: number) => void): Promise<T> {
  const signed = await authorization();
  const request = await posted(path, body, signed, onProgress);
  const isAgain = request.status === 401 && (await anotherFor(signed.Authorization));
  return outcome(isAgain ? await posted(path, body, await authorization(), onProgress) : request) as T;
}

function posted(
  path: string,
  body: FormData | Blob,
  headers: Record<string, string>,
  onProgress: (share: number) => void,
): Promise<XMLHttpRequest> {
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${serverUrl()}${path}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => failed(new ApiError("The upload was cut off. Try it again.", 0, "offline"));
    request.onload = () => done(request);
    request.send(body);
  });
}

function outcome({ status, response: told }: XMLHttpRequest): unknown {
  if (status < 300) return told;
  throw errorFrom(told, status);
}
