import { ApiError, authorization, serverUrl } from "./api";

/** Posts a file; tells how much of it has gone, from 0 to 1. `fetch` cannot tell that, so this is an XMLHttpRequest. */
export async function send<T>(path: string, body: FormData | Blob, onProgress: (share: number) => void): Promise<T> {
  const headers = await authorization();
  return new Promise((done, failed) => {
    const request = new XMLHttpRequest();
    request.open("POST", `${serverUrl()}${path}`);
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.responseType = "json";
    request.upload.onprogress = (event) => event.lengthComputable && onProgress(event.loaded / event.total);
    request.onerror = () => failed(new ApiError("The upload was cut off. Try it again.", 0, "offline"));
    request.onload = () => {
      const told = request.response;
      if (request.status < 300) done(told as T);
      else {
        const message = told?.error?.message ?? `The server answered ${request.status}.`;
        failed(new ApiError(message, request.status, told?.error?.code ?? ""));
      }
    };
    request.send(body);
  });
}
