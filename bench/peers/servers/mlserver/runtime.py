"""MLServer's custom runtime. MLServer batches requests before it calls `predict`."""

import steps
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse


class Pipeline(MLModel):
    async def load(self) -> bool:
        self.steps = steps.make()
        return True

    async def predict(self, request: InferenceRequest) -> InferenceResponse:
        try:
            answer = steps.run(self.steps, self.given(request.inputs[0]))
        except steps.BadInput as error:
            raise InferenceError(str(error)) from error
        label = StringCodec.encode_output("label", answer["label"])
        score = NumpyCodec.encode_output("score", answer["score"])
        return InferenceResponse(model_name=self.name, outputs=[label, score])

    def given(self, tensor):
        if steps.WORKLOAD == "jpeg":
            return self.decode(tensor, default_codec=Base64Codec)[0]
        return self.decode(tensor, default_codec=NumpyCodec).astype("f4", copy=False)
